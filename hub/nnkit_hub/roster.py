"""The roster: a file of lines `course,user,role`, with the role learner or grader.

    course,user,role
    nnkit,ada,learner
    nnkit,tom,grader

The hub reads it at each log-in, when a server starts, and every five minutes while a user is logged in, so changes
need no restart. Only users on the roster can log in. While the file has a fault, its previous content stays valid.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from nnkit_hub.roles import get_course_account, get_grader_group, get_learner_group

HEADER = ["course", "user", "role"]
GROUPS_BY_ROLE = {"learner": get_learner_group, "grader": get_grader_group}


class Roster:
    """The courses of a hub, and the file that lists their members."""

    def __init__(self, path: Path, courses: Collection[str]):
        self.path = path
        self.courses = tuple(courses)
        self._known = self.read_lines()

    def find_groups(self, user: str) -> list[str]:
        """Return the hub groups of this user; an empty list if the user is in no course."""
        accounts = {get_course_account(course): get_grader_group(course) for course in self.courses}
        if user in accounts:
            return [accounts[user]]
        return sorted({GROUPS_BY_ROLE[role](course) for course, name, role in self._reload() if name == user})

    def _reload(self) -> list[tuple[str, str, str]]:
        try:
            self._known = self.read_lines()
        except (OSError, ValueError) as fault:
            logging.getLogger("jupyterhub").error("The roster keeps its previous content: %s", fault)
        return self._known

    def read_lines(self) -> list[tuple[str, str, str]]:
        """Return (course, user, role) of each line. Raises ValueError, or FileNotFoundError if the file is missing."""
        with self.path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[field.strip() for field in row] for row in csv.reader(file)]
        if not rows or rows[0] != HEADER:
            raise ValueError(f"{self.path} must begin with the line {','.join(HEADER)}")
        return [self._check_line(number, row) for number, row in enumerate(rows[1:], 2) if any(row)]

    def _check_line(self, number: int, row: list[str]) -> tuple[str, str, str]:
        where = f"{self.path}, line {number}"
        if len(row) != len(HEADER):
            raise ValueError(f"{where}: {len(row)} fields, not {len(HEADER)}")
        course, user, role = row
        if course not in self.courses:
            raise ValueError(f"{where}: no course {course!r}; the hub has {', '.join(self.courses)}")
        if role not in GROUPS_BY_ROLE:
            raise ValueError(f"{where}: a role is {' or '.join(GROUPS_BY_ROLE)}, not {role!r}")
        if not user or user in map(get_course_account, self.courses):
            raise ValueError(f"{where}: {user!r} cannot be in a course")
        return course, user.lower(), role  # as the hub spells names


def create_roster_authenticator(base: type[Any], roster: Roster) -> type[Any]:
    """Return a subclass of `base` that lets in the people on the roster, with the groups that it gives them."""

    class RosterAuthenticator(base):  # type: ignore[misc]
        def check_allowed(self, username: str, authentication: dict[str, Any] | None = None) -> bool:
            """Return True for users on the roster, and, except at a log-in, for the courses' accounts."""
            is_account = username in map(get_course_account, roster.courses)
            return bool(roster.find_groups(username)) and not (is_account and authentication is not None)

        async def run_post_auth_hook(self, handler: Any, auth_model: Any) -> Any:
            model = await super().run_post_auth_hook(handler, auth_model)
            return model and {**model, "admin": False, "groups": roster.find_groups(model["name"])}

        async def refresh_user(self, user: Any, handler: Any = None, **known: Any) -> Any:
            """Return the current groups; False (log in again) if the user is no longer in any course."""
            groups = roster.find_groups(user.name)
            return {"name": user.name, "groups": groups} if groups else False

    RosterAuthenticator.__name__ = f"Roster{base.__name__}"
    return RosterAuthenticator
