"""Who is in which course: a file of lines `course,user,role`, where a role is learner or grader.

    course,user,role
    nnkit,ada,learner
    nnkit,tom,grader

The hub reads it at each log-in, when a server starts, and every five minutes while somebody is logged in, so a change
needs no restart. Who is in no line cannot log in. While there is a fault in the file, what it said before holds.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from nnkit_hub.roles import account, graders, learners

HEAD = ["course", "user", "role"]
GROUP = {"learner": learners, "grader": graders}


class Roster:
    """The courses of a hub, and the file that says who is in them."""

    def __init__(self, path: Path, courses: Collection[str]):
        self.path = path
        self.courses = tuple(courses)
        self._known = self.lines()

    def groups(self, user: str) -> list[str]:
        """The hub's groups of this user; none for somebody who is in no course."""
        accounts = {account(course): graders(course) for course in self.courses}
        if user in accounts:
            return [accounts[user]]
        return sorted({GROUP[role](course) for course, name, role in self._current() if name == user})

    def _current(self) -> list[tuple[str, str, str]]:
        try:
            self._known = self.lines()
        except (OSError, ValueError) as fault:
            logging.getLogger("jupyterhub").error("The roster stays as it was: %s", fault)
        return self._known

    def lines(self) -> list[tuple[str, str, str]]:
        """(course, user, role), each checked. Raises ValueError, or FileNotFoundError where the file is not there."""
        with self.path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[field.strip() for field in row] for row in csv.reader(file)]
        if not rows or rows[0] != HEAD:
            raise ValueError(f"{self.path} must begin with the line {','.join(HEAD)}")
        return [self._checked(number, row) for number, row in enumerate(rows[1:], 2) if any(row)]

    def _checked(self, number: int, row: list[str]) -> tuple[str, str, str]:
        where = f"{self.path}, line {number}"
        if len(row) != len(HEAD):
            raise ValueError(f"{where}: {len(row)} fields, not {len(HEAD)}")
        course, user, role = row
        if course not in self.courses:
            raise ValueError(f"{where}: no course {course!r}; the hub has {', '.join(self.courses)}")
        if role not in GROUP:
            raise ValueError(f"{where}: a role is {' or '.join(GROUP)}, not {role!r}")
        if not user or user in map(account, self.courses):
            raise ValueError(f"{where}: {user!r} cannot be in a course")
        return course, user.lower(), role  # as the hub writes names


def rostered(base: type[Any], roster: Roster) -> type[Any]:
    """An authenticator class like `base` that lets in who is on the roster, and keeps their groups as it says."""

    class Rostered(base):  # type: ignore[misc]
        def check_allowed(self, username: str, authentication: dict[str, Any] | None = None) -> bool:
            """At a log-in, whether the roster has them; before (None), the courses' own accounts count too."""
            is_account = username in map(account, roster.courses)
            return bool(roster.groups(username)) and not (is_account and authentication is not None)

        async def run_post_auth_hook(self, handler: Any, auth_model: Any) -> Any:
            model = await super().run_post_auth_hook(handler, auth_model)
            return model and {**model, "admin": False, "groups": roster.groups(model["name"])}

        async def refresh_user(self, user: Any, handler: Any = None, **known: Any) -> Any:
            """Groups as they are now; False (log in again) for somebody who is no longer in any course."""
            groups = roster.groups(user.name)
            return {"name": user.name, "groups": groups} if groups else False

    Rostered.__name__ = f"Rostered{base.__name__}"
    return Rostered
