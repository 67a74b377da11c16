"""The exchange's HTTP service: who may do what. The hub says who asks; the service's own clock says when.

    GET    key                                             the public key that proves receipts
    GET    .                                               who asks, and what they are in which course
    GET    courses/COURSE/released                         what is released
    GET    courses/COURSE/released/ASSIGNMENT              a parcel
    PUT    courses/COURSE/released/ASSIGNMENT              graders
    DELETE courses/COURSE/released/ASSIGNMENT              graders
    GET    courses/COURSE/submissions?assignment=&user=    graders; learners their own
    POST   courses/COURSE/submissions/ASSIGNMENT           in one's own name; answers the receipt
    GET    courses/COURSE/submissions/ASSIGNMENT/USER/TIME    graders; learners their own
    GET    courses/COURSE/feedback/ASSIGNMENT/USER/TIME       graders; learners their own
    PUT    courses/COURSE/feedback/ASSIGNMENT/USER/TIME       graders

Answers are JSON or parcels. A refusal is {"message": one sentence}. No cookie counts, so no page of another site can
act in a learner's name.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

from jupyterhub.services.auth import HubAuth
from tornado import web
from tornado.iostream import StreamClosedError

from nnkit_hub.exchange import receipts
from nnkit_hub.exchange.archive import BYTES, HEAD_BYTES, Refused, head, pieces
from nnkit_hub.exchange.store import Store
from nnkit_hub.roles import EXCHANGE, graders, learners

T = TypeVar("T")
MOST = BYTES + HEAD_BYTES
"""Bytes of a request."""
REMEMBERED = 30
"""Seconds for which the hub's word on a token counts: so long may a learner who was removed go on."""
TOKEN = re.compile(r"(?:token|bearer)\s+(\S+)", re.IGNORECASE)
GRADER, LEARNER = "grader", "learner"
log = logging.getLogger("nnkit.exchange")


def doorkeeper() -> HubAuth:
    """The hub's word on who asks. Its address and our token come from the environment, as for any hub service."""
    return HubAuth(cache_max_age=REMEMBERED, access_scopes={f"access:services!service={EXCHANGE}"})


class Denied(web.HTTPError):
    """A refusal, with one sentence for who asked."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, "%s", sentence)
        self.sentence = sentence


def rights(groups: list[str]) -> dict[str, str]:
    """What a member of these groups of the hub is, by course."""
    found: dict[str, str] = {}
    for what, group in ((LEARNER, learners("")), (GRADER, graders(""))):
        found |= {name.removeprefix(group): what for name in groups if name.startswith(group) and name != group}
    return found


@web.stream_request_body
class Handler(web.RequestHandler):
    """Asks the hub who is there before anything else, and takes bodies as they come, onto the disk.

    Only members of a course come any further, and only its graders where something is put or deleted.
    """

    store: Store
    auth: HubAuth
    user: str
    courses: dict[str, str]
    body: IO[bytes] | None = None

    def initialize(self, store: Store, auth: HubAuth) -> None:
        self.store, self.auth = store, auth

    async def prepare(self) -> None:
        self.user, self.courses = await self._asker()
        if self.path_args:
            self.require(self.path_args[0], grading=self.request.method in ("PUT", "DELETE"))
        if int(self.request.headers.get("Content-Length") or 0) > MOST:
            raise Denied(413, f"This is too large: at most {BYTES // 1_000_000} MB may be handed over at once.")
        if self.request.method in ("POST", "PUT"):
            self.request.connection.set_max_body_size(MOST)  # type: ignore[union-attr]
            self.body = self.store.spool()

    async def _asker(self) -> tuple[str, dict[str, str]]:
        token = TOKEN.fullmatch(self.request.headers.get("Authorization", ""))
        if not token:
            raise Denied(401, "The exchange is reached with a token of the hub: start your server from the hub.")
        try:
            model = await self.auth.user_for_token(token[1], sync=False)
        except web.HTTPError:
            raise Denied(503, "The hub does not answer the exchange: try again in a minute.") from None
        if not model or model.get("kind") != "user":
            raise Denied(401, "The hub does not know your token any more: stop your server and start it again.")
        if not self.auth.check_scopes(self.auth.access_scopes, model):
            raise Denied(403, "The hub does not let you use the exchange: ask your teachers to enter you in a course.")
        return model["name"], rights(model["groups"])

    def data_received(self, chunk: bytes) -> None:
        if self.body:
            self.body.write(chunk)

    def on_finish(self) -> None:
        if self.body:
            self.body.close()

    def on_connection_close(self) -> None:
        """Who asked has gone. What has arrived whole may be on its way into the store, where a thread reads it."""
        self.body = None

    def require(self, course: str, grading: bool = False) -> None:
        """That who asks is in the course; `grading`: as one of its graders."""
        if course not in self.courses:
            raise Denied(403, f"You are not in a course called {course!r}.")
        if grading and self.courses[course] != GRADER:
            raise Denied(403, f"Only graders of {course} may do this.")

    def require_own(self, course: str, user: str) -> None:
        """That who asks is this user, or grades the course."""
        self.require(course, grading=user != self.user)

    async def work(self, task: Callable[..., T], *args: Any) -> T:
        """Do what reads or writes files, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(None, task, *args)

    def parcel(self) -> IO[bytes]:
        """What was sent, from its beginning."""
        if self.body is None:
            raise Denied(400, "There is no file in it.")
        self.body.seek(0)
        return self.body

    async def keep(self, place: Path, fields: dict[str, Any]) -> None:
        """Store what was sent, and answer with its receipt."""
        receipt = await self.work(self.store.add, place, {**fields, "user": self.user}, self.parcel())
        log.info("%s: %s of %s by %s", *(receipt[name] for name in ("kind", "assignment", "course", "user")))
        self.finish(receipt)

    async def send(self, place: Path, at: str = "") -> None:
        """Answer with what is in a place: of that time, or what counts."""
        receipt = await self.work(self.store.receipt, place, at) if at else await self.work(self.store.newest, place)
        if receipt is None:
            raise Refused("There is no such thing in the exchange.")
        self.set_header("Content-Type", "application/octet-stream")
        self.write(head(receipt))
        try:
            for path, told in receipt["files"].items():
                for piece in pieces(place / receipt["time"] / "files", path, told["bytes"]):
                    self.write(piece)
                    await self.flush()
        except (StreamClosedError, Refused):
            # Who asked sees a parcel that ends too early.
            self.request.connection.close()  # type: ignore[union-attr]

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        fault = kwargs.get("exc_info", (None, None))[1]
        sentence = "The exchange made a mistake: tell your teachers."
        if isinstance(fault, Refused):
            self.set_status(400)
            sentence = str(fault)
        elif isinstance(fault, Denied):
            sentence = fault.sentence
        elif status_code < 500:
            sentence = "The exchange does not know what this request is."
        self.finish({"message": sentence})

    def log_exception(self, *exc_info: Any) -> None:
        if not isinstance(exc_info[1], Refused | Denied):
            super().log_exception(*exc_info)


class Key(web.RequestHandler):
    """Public: it lets anybody check a receipt, and make none."""

    def initialize(self, store: Store, auth: HubAuth) -> None:
        self.store = store

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.finish(receipts.public(self.store.key))


class Asker(Handler):
    def get(self) -> None:
        self.finish({"user": self.user, "courses": self.courses})


class Released(Handler):
    async def get(self, course: str) -> None:
        self.finish({"released": await self.work(lambda: list(self.store.released(course)))})


class Assignment(Handler):
    async def get(self, course: str, assignment: str) -> None:
        await self.send(self.store.place(course, "released", assignment))

    async def put(self, course: str, assignment: str) -> None:
        fields = {"kind": "release", "course": course, "assignment": assignment}
        await self.keep(self.store.place(course, "released", assignment), fields)

    async def delete(self, course: str, assignment: str) -> None:
        await self.work(self.store.remove, self.store.place(course, "released", assignment))
        self.finish({})


class Submissions(Handler):
    async def get(self, course: str) -> None:
        user, assignment = self.get_query_argument("user", ""), self.get_query_argument("assignment", "")
        self.require_own(course, user)
        found = await self.work(lambda: list(self.store.submissions(course, assignment, user)))
        self.finish({"submissions": found})


class HandIn(Handler):
    async def post(self, course: str, assignment: str) -> None:
        if not await self.work(self.store.newest, self.store.place(course, "released", assignment)):
            raise Denied(404, f"There is no assignment called {assignment!r} in {course}.")
        place = self.store.place(course, "submissions", assignment, self.user)
        await self.work(self.store.require_room, place)
        await self.keep(place, {"kind": receipts.SUBMISSION, "course": course, "assignment": assignment})


class Submission(Handler):
    async def get(self, course: str, assignment: str, user: str, at: str) -> None:
        self.require_own(course, user)
        await self.send(self.store.place(course, "submissions", assignment, user), at)


class Feedback(Handler):
    async def get(self, course: str, assignment: str, user: str, at: str) -> None:
        self.require_own(course, user)
        await self.send(self.store.place(course, "feedback", assignment, user, at))

    async def put(self, course: str, assignment: str, user: str, at: str) -> None:
        await self.work(self.store.receipt, self.store.place(course, "submissions", assignment, user), at)
        fields = {"kind": "feedback", "course": course, "assignment": assignment, "of": user, "on": at}
        await self.keep(self.store.place(course, "feedback", assignment, user, at), fields)


def application(prefix: str, store: Store, auth: HubAuth) -> web.Application:
    """The service below a prefix such as /services/exchange/."""
    course, name = "courses/([^/]+)", "/([^/]+)"
    pages: list[tuple[str, type[web.RequestHandler]]] = [
        ("key", Key),
        ("", Asker),
        (f"{course}/released", Released),
        (f"{course}/released{name}", Assignment),
        (f"{course}/submissions", Submissions),
        (f"{course}/submissions{name}", HandIn),
        (f"{course}/submissions{name * 3}", Submission),
        (f"{course}/feedback{name * 3}", Feedback),
    ]
    given = {"store": store, "auth": auth}
    return web.Application([(re.escape(prefix) + path, handler, given) for path, handler in pages])
