"""A course's page for its graders: the way to Formgrader and a terminal, and the reports. A service of the hub.

    python -m nnkit_hub.course_page --course nnkit --folder /srv/nnkit/courses/nnkit

Whom the hub does not give `access:services!service=course-COURSE` gets no further than its log-in. Only two kinds of
address have an answer: the page itself, and `report/ASSIGNMENT`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from html import escape
from pathlib import Path
from urllib.parse import quote, urlsplit

from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler, authenticated

from nnkit_hub.reports import Reports
from nnkit_hub.roles import account, page

STYLE = """:root { color-scheme: light dark; } body { font: 1rem/1.5 system-ui, sans-serif; max-width: 45rem;
margin: 2rem auto; padding: 0 1rem; } li { margin: .4rem 0; } a { text-underline-offset: .15em; }"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class _Page(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """What both pages share: who may see them, and that nobody else keeps or frames them."""

    def initialize(self, course: str, reports: Reports) -> None:
        self.course = course
        self.reports = reports

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Content-Security-Policy", POLICY)

    def server(self, path: str) -> str:
        """The address of a page on the server of the course's account, which starts if it is not running."""
        base = f"{os.environ.get('JUPYTERHUB_BASE_URL', '/')}"
        name = quote(account(self.course))
        return f"{base}hub/spawn/{name}?next={quote(f'{base}user/{name}/{path}', safe='')}"


class Overview(_Page):
    """The links."""

    @authenticated
    def get(self) -> None:
        ways = [
            (self.server("formgrader"), "Formgrader", "release, collect, grade, give feedback"),
            (self.server("lab"), "JupyterLab on the course folder", "edit the assignments; a terminal"),
        ]
        names = self.reports.assignments()
        reports = [(f"report/{quote(name)}", f"Report on {name}", "scores and mistakes so far") for name in names]
        self.finish(
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(self.course)}</title>'
            f"<style>{STYLE}</style></head><body><main><h1>{escape(self.course)}</h1>\n<h2>Grade</h2>{_links(ways)}\n"
            f"<h2>Reports</h2>{_links(reports) or '<p>Nothing has been graded yet.</p>'}</main></body></html>\n"
        )


class Report(_Page):
    """The report on one assignment, made anew when its grades have changed."""

    @authenticated
    async def get(self, assignment: str) -> None:
        if assignment not in self.reports.assignments():
            raise HTTPError(404)
        told = await asyncio.to_thread(self.reports.page, assignment, lambda path: self.server(f"lab/tree/{path}"))
        # The page itself says which style and script may run on it; what a header allows less would switch them off.
        self.set_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.finish(told)


class NotFound(_Page):
    """Everything else, known only to those who may be here."""

    @authenticated
    def get(self, *_: str) -> None:
        raise HTTPError(404)


def _links(ways: list[tuple[str, str, str]]) -> str:
    """Each opens in a tab of its own."""
    lines = (
        f'<li><a href="{escape(address)}" target="_blank" rel="noopener">{escape(name)}</a>: {escape(what)}</li>'
        for address, name, what in ways
    )
    return f"<ul>{''.join(lines)}</ul>" if ways else ""


def application(course: str, folder: Path) -> Application:
    """The service's pages, below the address that the hub gives it."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", f"/services/{page(course)}/")
    given = {"course": course, "reports": Reports(folder)}
    return Application(
        [
            (prefix, Overview, given),
            (f"{prefix}oauth_callback", HubOAuthCallbackHandler),
            (f"{prefix}report/([^/]+)", Report, given),
            (".*", NotFound, given),
        ],
        cookie_secret=os.urandom(32),
    )


async def serve(course: str, folder: Path) -> None:
    """Answer at JUPYTERHUB_SERVICE_URL until the hub ends this process."""
    address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    HTTPServer(application(course, folder)).listen(address.port or 80, address.hostname)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nnkit_hub.course_page", description="A course's page for graders.")
    parser.add_argument("--course", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="the course folder")
    args = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):  # how the hub ends its services
        asyncio.run(serve(args.course, args.folder.resolve()))


if __name__ == "__main__":
    main()
