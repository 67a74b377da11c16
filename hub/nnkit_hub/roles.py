"""Who may do what on the hub: `c.JupyterHub.load_roles = roles(["nnkit"])`, the same for each kind of hub.

Each course has two groups and one account. Nobody logs in to the account: it owns the course folder and the gradebook,
and its server is where graders open Formgrader and a terminal.

| | is |
|---|---|
| group `nbgrader-COURSE` | the learners |
| group `formgrade-COURSE` | the graders, and the course's account |
| account `grader-COURSE` | the owner of course folder and gradebook |
| service `course-COURSE` | the page with the way to Formgrader and the reports |
| service `exchange` | where work is handed out and in |

There is no admin, and no token that could become one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

EXCHANGE = "exchange"
"""The name of the exchange's service."""

ENTER_EXCHANGE = f"access:services!service={EXCHANGE}"

SERVER = (
    "access:servers!server",
    "users:activity!user",
    "read:users:name!user",
    "read:users:groups!user",
    ENTER_EXCHANGE,
)
"""What the token in a server may do, as far as the server's owner may: say who the owner is, and use the exchange."""


def learners(course: str) -> str:
    """The group of a course's learners."""
    return f"nbgrader-{course}"


def graders(course: str) -> str:
    """The group of a course's graders."""
    return f"formgrade-{course}"


def account(course: str) -> str:
    """The account that owns a course's folder and gradebook."""
    return f"grader-{course}"


def page(course: str) -> str:
    """The name of the service with a course's page for graders."""
    return f"course-{course}"


def roles(courses: Iterable[str]) -> list[dict[str, Any]]:
    """The roles of these courses (their names), for `c.JupyterHub.load_roles`; the accounts are named, so the hub makes
    them."""
    found: list[dict[str, Any]] = [{"name": "server", "scopes": list(SERVER)}]
    for course in courses:
        found.append({"name": f"learn-{course}", "groups": [learners(course)], "scopes": [ENTER_EXCHANGE]})
        grading = {"groups": [graders(course)], "users": [account(course)], "scopes": _grading(course)}
        found.append({"name": f"grade-{course}", **grading})
    return found


def _grading(course: str) -> list[str]:
    """Use the exchange and the course's page; start, stop and enter the server of the course's account, no other."""
    whose = f"!user={account(course)}"
    return [
        ENTER_EXCHANGE,
        f"access:services!service={page(course)}",
        *(f"{scope}{whose}" for scope in ("access:servers", "servers", "read:users:name")),
    ]


def culling() -> dict[str, Any]:
    """The role of the service `idle-culler`, which stops servers that nobody uses."""
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    return {"name": "idle-culler", "services": ["idle-culler"], "scopes": scopes}
