"""The exchange's HTTP service and its permissions. The hub identifies the user; the service's clock gives the time.

    GET    key                                             the public key to check receipts with
    GET    .                                               the user's name, and their role in each course
    GET    courses/COURSE/released                         the released assignments
    GET    courses/COURSE/released/ASSIGNMENT              an archive
    PUT    courses/COURSE/released/ASSIGNMENT              graders
    DELETE courses/COURSE/released/ASSIGNMENT              graders
    GET    courses/COURSE/submissions?assignment=&user=    graders; learners their own
    POST   courses/COURSE/submissions/ASSIGNMENT           in the user's own name; answers with the receipt
    GET    courses/COURSE/submissions/ASSIGNMENT/USER/TIME    graders; learners their own
    GET    courses/COURSE/feedback/ASSIGNMENT/USER/TIME       graders; learners their own
    PUT    courses/COURSE/feedback/ASSIGNMENT/USER/TIME       graders

Answers are JSON or archives. A refusal is {"message": one sentence}. Cookies are ignored, so no page of another site
can act in a learner's name.
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
from nnkit_hub.exchange.archive import MAX_ARCHIVE_BYTES, MAX_HEADER_BYTES, Refusal, encode_header, read_chunks
from nnkit_hub.exchange.store import Store
from nnkit_hub.roles import EXCHANGE_SERVICE, get_grader_group, get_learner_group

T = TypeVar("T")
MAX_REQUEST_BYTES = MAX_ARCHIVE_BYTES + MAX_HEADER_BYTES
"""Size of a request's body."""
TOKEN_CACHE_SECONDS = 30
"""Token cache lifetime. A removed learner keeps access for at most this long."""
TOKEN_PATTERN = re.compile(r"(?:token|bearer)\s+(\S+)", re.IGNORECASE)
GRADER, LEARNER = "grader", "learner"
log = logging.getLogger("nnkit.exchange")


def create_auth() -> HubAuth:
    """Return the client that asks the hub whose a token is. Addresses and tokens come from the environment."""
    return HubAuth(cache_max_age=TOKEN_CACHE_SECONDS, access_scopes={f"access:services!service={EXCHANGE_SERVICE}"})


class HTTPRefusal(web.HTTPError):
    """A refusal with an HTTP status and one sentence for the user."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, "%s", sentence)
        self.sentence = sentence


def parse_roles(groups: list[str]) -> dict[str, str]:
    """Return course → role of a member of these groups of the hub."""
    found: dict[str, str] = {}
    for role, group in ((LEARNER, get_learner_group("")), (GRADER, get_grader_group(""))):
        found |= {name.removeprefix(group): role for name in groups if name.startswith(group) and name != group}
    return found


@web.stream_request_body
class ExchangeHandler(web.RequestHandler):
    """Base of all requests: identifies the user first, and writes bodies to disk as they arrive.

    Only members of a course get any further, and only its graders may use PUT and DELETE.
    """

    store: Store
    auth: HubAuth
    user: str
    courses: dict[str, str]
    body: IO[bytes] | None = None

    def initialize(self, store: Store, auth: HubAuth) -> None:
        self.store, self.auth = store, auth

    async def prepare(self) -> None:
        self.user, self.courses = await self._authenticate()
        if self.path_args:
            self.require_member(self.path_args[0], grading=self.request.method in ("PUT", "DELETE"))
        if int(self.request.headers.get("Content-Length") or 0) > MAX_REQUEST_BYTES:
            raise HTTPRefusal(
                413, f"This is too large: at most {MAX_ARCHIVE_BYTES // 1_000_000} MB are allowed at once."
            )
        if self.request.method in ("POST", "PUT"):
            self.request.connection.set_max_body_size(MAX_REQUEST_BYTES)  # type: ignore[union-attr]
            self.body = self.store.open_spool()

    async def _authenticate(self) -> tuple[str, dict[str, str]]:
        token = TOKEN_PATTERN.fullmatch(self.request.headers.get("Authorization", ""))
        if not token:
            raise HTTPRefusal(401, "The exchange needs a token of the hub: start your server from the hub.")
        try:
            model = await self.auth.user_for_token(token[1], sync=False)
        except web.HTTPError:
            raise HTTPRefusal(503, "The hub does not answer the exchange: try again in a minute.") from None
        if not model or model.get("kind") != "user":
            raise HTTPRefusal(401, "The hub does not know your token any more: stop your server and start it again.")
        if not self.auth.check_scopes(self.auth.access_scopes, model):
            raise HTTPRefusal(
                403, "The hub does not let you use the exchange: ask your teachers to add you to a course."
            )
        return model["name"], parse_roles(model["groups"])

    def data_received(self, chunk: bytes) -> None:
        if self.body:
            self.body.write(chunk)

    def on_finish(self) -> None:
        if self.body:
            self.body.close()

    def on_connection_close(self) -> None:
        """Drop the body; a thread may still be storing one that arrived completely."""
        self.body = None

    def require_member(self, course: str, grading: bool = False) -> None:
        """Raise HTTPRefusal unless the user is in the course, with `grading` as a grader."""
        if course not in self.courses:
            raise HTTPRefusal(403, f"You are not in a course called {course!r}.")
        if grading and self.courses[course] != GRADER:
            raise HTTPRefusal(403, f"Only graders of {course} may do this.")

    def require_owner(self, course: str, user: str) -> None:
        """Raise HTTPRefusal unless this is the user's own, or the user grades the course."""
        self.require_member(course, grading=user != self.user)

    async def run_in_thread(self, task: Callable[..., T], *args: Any) -> T:
        """Run a task that reads or writes files in a thread, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(None, task, *args)

    def rewind_body(self) -> IO[bytes]:
        """Return the uploaded body, at its beginning."""
        if self.body is None:
            raise HTTPRefusal(400, "There are no files in it.")
        self.body.seek(0)
        return self.body

    async def store_body(self, folder: Path, fields: dict[str, Any]) -> None:
        """Store the uploaded archive, and answer with its receipt."""
        receipt = await self.run_in_thread(self.store.add, folder, {**fields, "user": self.user}, self.rewind_body())
        log.info("%s: %s of %s by %s", *(receipt[name] for name in ("kind", "assignment", "course", "user")))
        self.finish(receipt)

    async def send_archive(self, folder: Path, at: str = "") -> None:
        """Answer with the files kept in a folder: those of one time, or the newest."""
        receipt: dict[str, Any] | None
        if at:
            receipt = await self.run_in_thread(self.store.read_receipt, folder, at)
        else:
            receipt = await self.run_in_thread(self.store.read_newest, folder)
        if receipt is None:
            raise Refusal("The exchange has nothing by that name.")
        self.set_header("Content-Type", "application/octet-stream")
        self.write(encode_header(receipt))
        try:
            for path, entry in receipt["files"].items():
                for chunk in read_chunks(folder / receipt["time"] / "files", path, entry["bytes"]):
                    self.write(chunk)
                    await self.flush()
        except (StreamClosedError, Refusal):
            # The client sees an archive that ends too early.
            self.request.connection.close()  # type: ignore[union-attr]

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        fault = kwargs.get("exc_info", (None, None))[1]
        sentence = "The exchange has an internal error: tell your teachers."
        if isinstance(fault, Refusal):
            self.set_status(400)
            sentence = str(fault)
        elif isinstance(fault, HTTPRefusal):
            sentence = fault.sentence
        elif status_code < 500:
            sentence = "The exchange does not understand this request."
        self.finish({"message": sentence})

    def log_exception(self, *exc_info: Any) -> None:
        if not isinstance(exc_info[1], Refusal | HTTPRefusal):
            super().log_exception(*exc_info)


class KeyHandler(web.RequestHandler):
    """The public key, without a log-in: it serves to check receipts, not to make them."""

    def initialize(self, store: Store, auth: HubAuth) -> None:
        self.store = store

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.finish(receipts.encode_public_key(self.store.key))


class IdentityHandler(ExchangeHandler):
    def get(self) -> None:
        self.finish({"user": self.user, "courses": self.courses})


class ReleasedListHandler(ExchangeHandler):
    async def get(self, course: str) -> None:
        self.finish({"released": await self.run_in_thread(lambda: list(self.store.list_released(course)))})


class ReleaseHandler(ExchangeHandler):
    async def get(self, course: str, assignment: str) -> None:
        await self.send_archive(self.store.get_folder(course, "released", assignment))

    async def put(self, course: str, assignment: str) -> None:
        fields = {"kind": "release", "course": course, "assignment": assignment}
        await self.store_body(self.store.get_folder(course, "released", assignment), fields)

    async def delete(self, course: str, assignment: str) -> None:
        await self.run_in_thread(self.store.remove, self.store.get_folder(course, "released", assignment))
        self.finish({})


class SubmissionListHandler(ExchangeHandler):
    async def get(self, course: str) -> None:
        user, assignment = self.get_query_argument("user", ""), self.get_query_argument("assignment", "")
        self.require_owner(course, user)
        found = await self.run_in_thread(lambda: list(self.store.list_submissions(course, assignment, user)))
        self.finish({"submissions": found})


class SubmitHandler(ExchangeHandler):
    async def post(self, course: str, assignment: str) -> None:
        if not await self.run_in_thread(self.store.read_newest, self.store.get_folder(course, "released", assignment)):
            raise HTTPRefusal(404, f"There is no assignment called {assignment!r} in {course}.")
        folder = self.store.get_folder(course, "submissions", assignment, self.user)
        await self.run_in_thread(self.store.require_quota, folder)
        await self.store_body(folder, {"kind": receipts.SUBMISSION_KIND, "course": course, "assignment": assignment})


class SubmissionHandler(ExchangeHandler):
    async def get(self, course: str, assignment: str, user: str, at: str) -> None:
        self.require_owner(course, user)
        await self.send_archive(self.store.get_folder(course, "submissions", assignment, user), at)


class FeedbackHandler(ExchangeHandler):
    async def get(self, course: str, assignment: str, user: str, at: str) -> None:
        self.require_owner(course, user)
        await self.send_archive(self.store.get_folder(course, "feedback", assignment, user, at))

    async def put(self, course: str, assignment: str, user: str, at: str) -> None:
        await self.run_in_thread(
            self.store.read_receipt, self.store.get_folder(course, "submissions", assignment, user), at
        )
        fields = {"kind": "feedback", "course": course, "assignment": assignment, "of": user, "on": at}
        await self.store_body(self.store.get_folder(course, "feedback", assignment, user, at), fields)


def create_exchange_application(prefix: str, store: Store, auth: HubAuth) -> web.Application:
    """Return the service below a prefix such as /services/exchange/."""
    course, name = "courses/([^/]+)", "/([^/]+)"
    pages: list[tuple[str, type[web.RequestHandler]]] = [
        ("key", KeyHandler),
        ("", IdentityHandler),
        (f"{course}/released", ReleasedListHandler),
        (f"{course}/released{name}", ReleaseHandler),
        (f"{course}/submissions", SubmissionListHandler),
        (f"{course}/submissions{name}", SubmitHandler),
        (f"{course}/submissions{name * 3}", SubmissionHandler),
        (f"{course}/feedback{name * 3}", FeedbackHandler),
    ]
    given = {"store": store, "auth": auth}
    return web.Application([(re.escape(prefix) + path, handler, given) for path, handler in pages])
