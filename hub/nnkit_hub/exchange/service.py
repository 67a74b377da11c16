"""The exchange's HTTP service and its permissions. The hub identifies the user; the service's clock gives the time.

    GET    key                                             the public key to check receipts with
    GET    health                                          free space on the disk
    GET    metrics                                         services with the scope read:metrics
    GET    .                                               the user's name, and their role in each course
    GET    courses/COURSE/released                         the released assignments
    GET    courses/COURSE/released/ASSIGNMENT              an archive
    PUT    courses/COURSE/released/ASSIGNMENT              graders
    DELETE courses/COURSE/released/ASSIGNMENT              graders
    PUT    courses/COURSE/dates/ASSIGNMENT                 graders: when it is due, and for whom that is extended
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
import json
import logging
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from jupyterhub.services.auth import HubAuth
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from tornado import web
from tornado.iostream import StreamClosedError

from nnkit_hub.exchange import receipts
from nnkit_hub.exchange.archive import MAX_ARCHIVE_BYTES, MAX_HEADER_BYTES, Refusal, encode_header, read_chunks
from nnkit_hub.exchange.metrics import ExchangeMetrics
from nnkit_hub.exchange.shares import Busy, ExchangeServer, Share, Shares
from nnkit_hub.exchange.store import Room, Store
from nnkit_hub.roles import EXCHANGE_SCOPE, PERMISSION_CACHE_SECONDS, get_grader_group, get_learner_group

T = TypeVar("T")
MAX_REQUEST_BYTES = MAX_ARCHIVE_BYTES + MAX_HEADER_BYTES
"""Size of a request's body."""
CONTENT_LENGTH = re.compile(r"\d{1,15}", re.ASCII)
MAX_THREADS = 16
"""Threads that read and write files; a user has fewer requests at a time (`shares`)."""
TOKEN_PATTERN = re.compile(r"(?:token|bearer)\s+(\S+)", re.IGNORECASE)
METRICS_SCOPE = "read:metrics"
"""The scope that the hub's own /hub/metrics requires, too."""
GRADER, LEARNER = "grader", "learner"
log = logging.getLogger("nnkit.exchange")


def create_auth() -> HubAuth:
    """Return the client that asks the hub whose a token is. Addresses and tokens come from the environment."""
    return HubAuth(cache_max_age=PERMISSION_CACHE_SECONDS, access_scopes={EXCHANGE_SCOPE})


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


async def ask_hub(auth: HubAuth, request: Any) -> dict[str, Any] | None:
    """Return the hub's model of the user or service whose token a request carries; None if the hub knows no such token.

    Raises HTTPRefusal if there is no token, or the hub does not answer.
    """
    token = TOKEN_PATTERN.fullmatch(request.headers.get("Authorization", ""))
    if not token:
        raise HTTPRefusal(401, "The exchange needs a token of the hub: start your server from the hub.")
    try:
        model: dict[str, Any] | None = await auth.user_for_token(token[1], sync=False)
    except web.HTTPError:
        raise HTTPRefusal(503, "The hub does not answer the exchange: try again in a minute.") from None
    return model


class AnswerHandler(web.RequestHandler):
    """Base of all requests: a refusal is one sentence, also in the log if the user is known."""

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
        elif user := getattr(self, "user", ""):
            sentence = exc_info[1].sentence if isinstance(exc_info[1], HTTPRefusal) else str(exc_info[1])
            log.info("refused: %s %s by %s: %s", self.request.method, self.request.path, user, sentence)


@web.stream_request_body
class ExchangeHandler(AnswerHandler):
    """Base of users' requests: identifies the user first, and writes bodies to disk as they arrive.

    Only members of a course get any further, and only its graders may use PUT and DELETE.
    """

    store: Store
    auth: HubAuth
    shares: Shares
    threads: ThreadPoolExecutor
    metrics: ExchangeMetrics
    user = ""
    courses: dict[str, str]
    body: IO[bytes] | None = None
    share: Share | None = None
    room: Room | None = None
    """Room on disk that is reserved for the upload."""
    tasks = 0
    """Tasks in threads that have not ended."""
    ended = False

    def initialize(
        self, store: Store, auth: HubAuth, shares: Shares, threads: ThreadPoolExecutor, metrics: ExchangeMetrics
    ) -> None:
        self.store, self.auth, self.shares, self.threads, self.metrics = store, auth, shares, threads, metrics

    async def prepare(self) -> None:
        self.user, self.courses = await self._authenticate()
        if self.path_args:
            self.require_member(self.path_args[0], grading=self.request.method in ("PUT", "DELETE"))
        length, upload = self._read_length(), self.request.method in ("POST", "PUT")
        try:
            self.share = self.shares.take(self.user, upload)
        except Busy as fault:
            raise HTTPRefusal(429, str(fault)) from None
        self._mark_connection(busy=True)
        if upload:
            self.room = await self.reserve_room(length, *self.path_args)
            self.request.connection.set_max_body_size(MAX_REQUEST_BYTES)  # type: ignore[union-attr]
            self.body = self.store.open_spool()

    def _read_length(self) -> int:
        """Return the size of the request's body; the largest one if it is not known before."""
        text = self.request.headers.get("Content-Length", "")
        if text and not CONTENT_LENGTH.fullmatch(text):
            raise HTTPRefusal(400, "The request's Content-Length is not a number.")
        length = int(text or 0)
        if length > MAX_REQUEST_BYTES:
            raise HTTPRefusal(
                413, f"This is too large: at most {MAX_ARCHIVE_BYTES // 1_000_000} MB are allowed at once."
            )
        return MAX_REQUEST_BYTES if "Transfer-Encoding" in self.request.headers else length

    async def reserve_room(self, length: int, *names: str) -> Room | None:
        """Reserve room on disk for an upload of this size; graders need none."""
        return None

    def _mark_connection(self, busy: bool) -> None:
        """Have the server keep this connection while it has a request by a known user."""
        server, stream = self.application.settings.get("server"), getattr(self.request.connection, "stream", None)
        if isinstance(server, ExchangeServer) and stream is not None:
            (server.mark_busy if busy else server.mark_idle)(stream)

    async def _authenticate(self) -> tuple[str, dict[str, str]]:
        model = await ask_hub(self.auth, self.request)
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
        name = type(self).__name__.removesuffix("Handler").lower()
        method = self.request.method if self.request.method in self.SUPPORTED_METHODS else "other"
        self.metrics.count_request(f"{method} {name}", self.get_status(), self.request.request_time())
        if self.body:
            self.body.close()
        if self.share:
            self._mark_connection(busy=False)
        self._leave(ended=True)

    def on_connection_close(self) -> None:
        """Drop the body; a thread may still be storing one that arrived completely."""
        self.body = None
        self._leave(ended=True)

    def _leave(self, ended: bool = False) -> None:
        """Give back the user's share and the room when the request and its tasks in threads have ended."""
        self.ended = self.ended or ended
        if self.ended and not self.tasks:
            for held in (self.share, self.room):
                if held:
                    held.give_back()

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
        self.tasks += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, task, *args)
        finally:
            self.tasks -= 1
            self._leave()

    def rewind_body(self) -> IO[bytes]:
        """Return the uploaded body, at its beginning."""
        if self.body is None:
            raise HTTPRefusal(400, "There are no files in it.")
        self.body.seek(0)
        return self.body

    async def store_body(self, folder: Path, fields: dict[str, Any]) -> None:
        """Store the uploaded archive, which has just arrived, and answer with its receipt."""
        received = datetime.now(UTC)
        receipt = await self.run_in_thread(
            self.store.add, folder, {**fields, "user": self.user}, self.rewind_body(), received
        )
        self.metrics.stored.labels(receipt["kind"]).inc(sum(entry["bytes"] for entry in receipt["files"].values()))
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


class KeyHandler(web.RequestHandler):
    """The public key, without a log-in: it serves to check receipts, not to make them."""

    def initialize(self, store: Store, **_: Any) -> None:
        self.store = store

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.finish(receipts.encode_public_key(self.store.key))


class HealthHandler(AnswerHandler):
    """The state of the service, without a log-in: that it answers, and the free space on its disk."""

    def initialize(self, store: Store, **_: Any) -> None:
        self.store = store

    def get(self) -> None:
        self.finish({"free_bytes": shutil.disk_usage(self.store.folder).free})


class MetricsHandler(AnswerHandler):
    """Figures for Prometheus."""

    def initialize(self, store: Store, auth: HubAuth, metrics: ExchangeMetrics, **_: Any) -> None:
        self.store, self.auth, self.metrics = store, auth, metrics

    async def get(self) -> None:
        model = await ask_hub(self.auth, self.request)
        if not model or METRICS_SCOPE not in model["scopes"]:
            raise HTTPRefusal(403, f"The token does not have the scope {METRICS_SCOPE}.")
        self.metrics.free.set(shutil.disk_usage(self.store.folder).free)
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest(self.metrics.registry))


class IdentityHandler(ExchangeHandler):
    def get(self) -> None:
        self.finish({"user": self.user, "courses": self.courses})


class ReleasedListHandler(ExchangeHandler):
    async def get(self, course: str) -> None:
        self.finish({"released": await self.run_in_thread(lambda: list(self.store.list_released(course, self.user)))})


class ReleaseHandler(ExchangeHandler):
    async def get(self, course: str, assignment: str) -> None:
        await self.send_archive(self.store.get_folder(course, "released", assignment))

    async def put(self, course: str, assignment: str) -> None:
        fields = {"kind": "release", "course": course, "assignment": assignment}
        await self.store_body(self.store.get_folder(course, "released", assignment), fields)

    async def delete(self, course: str, assignment: str) -> None:
        await self.run_in_thread(self.store.remove, self.store.get_folder(course, "released", assignment))
        self.finish({})


class DatesHandler(ExchangeHandler):
    async def put(self, course: str, assignment: str) -> None:
        try:
            dates = json.loads(self.rewind_body().read(MAX_HEADER_BYTES))
        except (ValueError, RecursionError):
            dates = None
        if not isinstance(dates, dict):
            raise Refusal("These are not dates.")
        await self.run_in_thread(self.store.write_dates, course, assignment, dates)
        log.info("dates: %s of %s by %s", assignment, course, self.user)
        self.finish({})


class SubmissionListHandler(ExchangeHandler):
    async def get(self, course: str) -> None:
        user, assignment = self.get_query_argument("user", ""), self.get_query_argument("assignment", "")
        self.require_owner(course, user)
        found = await self.run_in_thread(lambda: list(self.store.list_submissions(course, assignment, user)))
        self.finish({"submissions": found})


class SubmitHandler(ExchangeHandler):
    async def reserve_room(self, length: int, *names: str) -> Room:
        course, assignment = names
        if not await self.run_in_thread(self.store.read_newest, self.store.get_folder(course, "released", assignment)):
            raise HTTPRefusal(404, f"There is no assignment called {assignment!r} in {course}.")
        folder = self.store.get_folder(course, "submissions", assignment, self.user)
        return await self.run_in_thread(self.store.reserve, folder, length)

    async def post(self, course: str, assignment: str) -> None:
        folder = self.store.get_folder(course, "submissions", assignment, self.user)
        try:
            await self.store_body(
                folder, {"kind": receipts.SUBMISSION_KIND, "course": course, "assignment": assignment}
            )
        except Refusal:
            self.store.count_refused(folder)
            raise


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
        ("health", HealthHandler),
        ("metrics", MetricsHandler),
        ("", IdentityHandler),
        (f"{course}/released", ReleasedListHandler),
        (f"{course}/released{name}", ReleaseHandler),
        (f"{course}/dates{name}", DatesHandler),
        (f"{course}/submissions", SubmissionListHandler),
        (f"{course}/submissions{name}", SubmitHandler),
        (f"{course}/submissions{name * 3}", SubmissionHandler),
        (f"{course}/feedback{name * 3}", FeedbackHandler),
    ]
    threads = ThreadPoolExecutor(MAX_THREADS, "nnkit-exchange")
    given = {"store": store, "auth": auth, "shares": Shares(), "threads": threads, "metrics": ExchangeMetrics()}
    return web.Application([(re.escape(prefix) + path, handler, given) for path, handler in pages])
