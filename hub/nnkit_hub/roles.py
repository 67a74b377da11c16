"""Permissions on the hub: `c.JupyterHub.load_roles = build_roles(["nnkit"])`, the same on every kind of hub.

Each course has two groups and one account. The account owns the course folder and the gradebook, and no one logs in to
it: graders open Formgrader and a terminal on its server.

| | is |
|---|---|
| group `nbgrader-COURSE` | the learners |
| group `formgrade-COURSE` | the graders, and the course's account |
| account `grader-COURSE` | the owner of course folder and gradebook |
| service `course-COURSE` | the page with links to Formgrader and the reports |
| service `exchange` | the service through which work is released and submitted |

There is no admin, and no token that could become one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

DEFAULT_CONTACT = "your teachers"
"""The people to whom pages refer those who are refused."""

EXCHANGE_SERVICE = "exchange"
"""Name of the exchange's service."""

PERMISSION_CACHE_SECONDS = 10
"""Time for which the exchange, the course pages and the servers of course accounts rely on an earlier answer of the hub
about a token. A removed member keeps access to them for this long after the hub has noticed."""

EXCHANGE_SCOPE = f"access:services!service={EXCHANGE_SERVICE}"

SERVER_SCOPES = (
    "access:servers!server",
    "users:activity!user",
    "read:users:name!user",
    "read:users:groups!user",
    EXCHANGE_SCOPE,
)
"""Scopes of the token in a server, within those of its owner: identify the owner, and use the exchange."""


def get_learner_group(course: str) -> str:
    """Return the group of a course's learners."""
    return f"nbgrader-{course}"


def get_grader_group(course: str) -> str:
    """Return the group of a course's graders."""
    return f"formgrade-{course}"


def get_course_account(course: str) -> str:
    """Return the account that owns a course's folder and gradebook."""
    return f"grader-{course}"


def get_page_service(course: str) -> str:
    """Return the name of the service with a course's page for graders."""
    return f"course-{course}"


def build_roles(courses: Iterable[str]) -> list[dict[str, Any]]:
    """Return the roles of these courses for `c.JupyterHub.load_roles`. The hub creates the accounts named in them."""
    found: list[dict[str, Any]] = [{"name": "server", "scopes": list(SERVER_SCOPES)}]
    for course in courses:
        found.append({"name": f"learn-{course}", "groups": [get_learner_group(course)], "scopes": [EXCHANGE_SCOPE]})
        grading = {
            "groups": [get_grader_group(course)],
            "users": [get_course_account(course)],
            "scopes": _list_grading_scopes(course),
        }
        found.append({"name": f"grade-{course}", **grading})
    return found


def _list_grading_scopes(course: str) -> list[str]:
    """Return the scopes to use the exchange and the course's page, and to control only the course account's server."""
    whose = f"!user={get_course_account(course)}"
    return [
        EXCHANGE_SCOPE,
        f"access:services!service={get_page_service(course)}",
        *(f"{scope}{whose}" for scope in ("access:servers", "servers", "read:users:name")),
    ]


def build_culler_role() -> dict[str, Any]:
    """Return the role of the service `idle-culler`, which stops idle servers."""
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    return {"name": "idle-culler", "services": ["idle-culler"], "scopes": scopes}


def build_prometheus_role() -> dict[str, Any]:
    """Return the role of the service `prometheus`, which reads the figures of the hub and the exchange."""
    return {"name": "prometheus", "services": ["prometheus"], "scopes": ["read:metrics"]}
