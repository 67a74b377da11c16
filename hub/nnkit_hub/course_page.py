"""A course's page for its graders: links to Formgrader and a terminal, and the reports. A service of the hub.

    python -m nnkit_hub.course_page --course nnkit --folder /srv/nnkit/courses/nnkit

Users without the scope `access:services!service=course-COURSE` get no further than the hub's log-in. Only two kinds
of address exist: the page itself, and `report/ASSIGNMENT`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler, authenticated

from nnkit_hub.reports import ReportCache
from nnkit_hub.roles import (
    DEFAULT_CONTACT,
    PERMISSION_CACHE_SECONDS,
    get_course_account,
    get_grader_group,
    get_page_service,
)

STYLE = """:root { color-scheme: light dark; } body { font: 1rem/1.5 system-ui, sans-serif; max-width: 45rem;
margin: 2rem auto; padding: 0 1rem; } li { margin: .4rem 0; } a { text-underline-offset: .15em; }"""
CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class PageHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """Base of all pages: only users with access see them, and other sites can neither cache nor frame them."""

    def initialize(self, course: str, reports: ReportCache, contact: str) -> None:
        self.course = course
        self.reports = reports
        self.contact = contact

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Content-Security-Policy", CONTENT_POLICY)

    def get_server_url(self, path: str) -> str:
        """Return the address of a page on the course account's server, which starts if it is not running."""
        base = f"{os.environ.get('JUPYTERHUB_BASE_URL', '/')}"
        name = quote(get_course_account(self.course))
        return f"{base}hub/spawn/{name}?next={quote(f'{base}user/{name}/{path}', safe='')}"

    def write_error(self, status_code: int, **_: Any) -> None:
        sentences = {
            403: f"You are not a grader of this course. If you should be, ask {escape(self.contact)}.",
            404: "There is no such page.",
        }
        sentence = sentences.get(status_code, "This page could not be made: try again.")
        self.finish(self.render_page(f"<p>{sentence}</p>"))

    def render_page(self, content: str) -> str:
        """Return a page with this content, below the links that every page has."""
        base = os.environ.get("JUPYTERHUB_BASE_URL", "/")
        links = [(f"{base}hub/home", "Hub"), (f"{base}hub/user-redirect/lab", "My own server")]
        links += [(f"{base}services/{get_page_service(name)}/", name) for name in self._list_courses()]
        links.append((f"{base}hub/logout", "Log out"))
        menu = " · ".join(f'<a href="{escape(address)}">{escape(name)}</a>' for address, name in links)
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(self.course)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>\n'
            f"<nav>{menu}</nav><main><h1>{escape(self.course)}</h1>\n{content}</main></body></html>\n"
        )

    def _list_courses(self) -> list[str]:
        """Return the courses that this user grades."""
        groups, prefix = (self.current_user or {}).get("groups", []), get_grader_group("")
        return sorted(group.removeprefix(prefix) for group in groups if group.startswith(prefix))


class OverviewHandler(PageHandler):
    """The page with the links."""

    @authenticated
    def get(self) -> None:
        links = [
            (self.get_server_url("formgrader"), "Formgrader", "release, collect, grade, give feedback"),
            (self.get_server_url("lab"), "JupyterLab on the course folder", "edit the assignments; a terminal"),
        ]
        names = self.reports.list_graded()
        reports = [(f"report/{quote(name)}", f"Report on {name}", "scores and mistakes so far") for name in names]
        self.finish(
            self.render_page(
                f"<h2>Grade</h2>{_format_links(links)}\n"
                f"<h2>Reports</h2>{_format_links(reports) or '<p>Nothing has been graded yet.</p>'}"
            )
        )


class ReportHandler(PageHandler):
    """The report on one assignment, rendered again after its grades have changed."""

    @authenticated
    async def get(self, assignment: str) -> None:
        if assignment not in self.reports.list_graded():
            raise HTTPError(404)
        page = await asyncio.to_thread(
            self.reports.get_page, assignment, lambda path: self.get_server_url(f"lab/tree/{path}")
        )
        # The report's own policy allows its style and script; a stricter header would block them.
        self.set_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.finish(page)


class PageHealthHandler(RequestHandler):
    """The answer to Kubernetes that this process works, without a log-in."""

    def get(self) -> None:
        self.finish({"status": "ok"})


class NotFoundHandler(PageHandler):
    """The answer to all other addresses, after the same log-in."""

    @authenticated
    def get(self, *_: str) -> None:
        raise HTTPError(404)


def _format_links(links: list[tuple[str, str, str]]) -> str:
    """Return an HTML list of links, each of which opens in a new tab."""
    lines = (
        f'<li><a href="{escape(address)}" target="_blank" rel="noopener">{escape(name)}</a>: {escape(what)}</li>'
        for address, name, what in links
    )
    return f"<ul>{''.join(lines)}</ul>" if links else ""


def create_page_application(course: str, folder: Path, contact: str) -> Application:
    """Return the service's pages, below the prefix that the hub assigns to it; `contact` helps the refused."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", f"/services/{get_page_service(course)}/")
    given = {"course": course, "reports": ReportCache(folder), "contact": contact}
    return Application(
        [
            (prefix, OverviewHandler, given),
            (f"{prefix}oauth_callback", HubOAuthCallbackHandler),
            (f"{prefix}health", PageHealthHandler),
            (f"{prefix}report/([^/]+)", ReportHandler, given),
            (".*", NotFoundHandler, given),
        ],
        cookie_secret=os.urandom(32),
    )


async def serve_course_page(course: str, folder: Path, contact: str) -> None:
    """Serve at JUPYTERHUB_SERVICE_URL until the hub ends this process."""
    HubOAuth.instance(cache_max_age=PERMISSION_CACHE_SECONDS)  # the one that all handlers use
    address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    HTTPServer(create_page_application(course, folder, contact)).listen(address.port or 80, address.hostname)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nnkit_hub.course_page", description="A course's page for graders.")
    parser.add_argument("--course", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="the course folder")
    parser.add_argument(
        "--contact", default=DEFAULT_CONTACT, help="who helps those who are refused (default: %(default)s)"
    )
    args = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):  # the hub ends its services this way
        asyncio.run(serve_course_page(args.course, args.folder.resolve(), args.contact))


if __name__ == "__main__":
    main()
