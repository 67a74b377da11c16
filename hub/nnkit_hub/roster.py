"""The roster: a file of lines `course,user,role`, with the role learner or grader; further columns are optional.

    course,user,role,first_name,last_name,email,section,language
    nnkit,ada,learner,Ada,Lovelace,ada@example.org,A,ko
    nnkit,tom,grader

The hub looks every few seconds whether it has changed (roster_watch.py), so changes need no restart. Only users on the
roster can log in. While the file has a fault, its previous content stays valid.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from traitlets.log import get_logger

from nnkit.language import find_code
from nnkit_hub.roles import get_course_account, get_grader_group, get_learner_group

HEADER = ["course", "user", "role"]
GROUPS_BY_ROLE = {"learner": get_learner_group, "grader": get_grader_group}


class Roster:
    """The courses of a hub, and the file that lists their members."""

    def __init__(self, path: Path, courses: Collection[str]):
        self.path = path
        self.courses = tuple(courses)
        self._stamp = self._compute_stamp()
        self._groups = self._collect_groups(read_members(self.path, self.courses))
        self._settled, self._looked, self._faulty = self._groups, self._stamp, False

    def find_groups(self, user: str) -> list[str]:
        """Return the hub groups of this user; an empty list if the user is in no course."""
        return self.read_groups().get(user, [])

    def read_groups(self) -> dict[str, list[str]]:
        """Return user → hub groups, for members and course accounts: the same object until the file has changed.

        A fault in the file goes to the hub's log, once, and the previous content stays valid.
        """
        stamp = self._compute_stamp()
        if stamp != self._stamp:
            self._stamp, self._faulty = stamp, False
            try:
                self._groups = self._collect_groups(read_members(self.path, self.courses))
            except (OSError, ValueError) as fault:
                self._faulty = True
                get_logger().error("The roster keeps its previous content: %s", fault)
        return self._groups

    def read_settled_groups(self) -> dict[str, list[str]]:
        """Return user → hub groups as of the last time the file was valid and the same at two calls in a row.

        A file that is just being copied can be valid, and lack half of the class.
        """
        groups = self.read_groups()
        if self._stamp == self._looked and not self._faulty:
            self._settled = groups
        self._looked = self._stamp
        return self._settled

    def _compute_stamp(self) -> object:
        """Return a value that changes with the file, also when it is replaced; None if it does not exist."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _collect_groups(self, members: list[Member]) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {}
        for one in members:
            found.setdefault(one.user, set()).add(GROUPS_BY_ROLE[one.role](one.course))
        accounts = {get_course_account(course): [get_grader_group(course)] for course in self.courses}
        return {user: sorted(groups) for user, groups in found.items()} | accounts


@dataclass(frozen=True)
class Member:
    """A line of the roster."""

    course: str
    user: str
    role: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    section: str = ""
    language: str = ""
    """Code of the language in which a learner gets feedback."""


OPTIONAL_COLUMNS = [field.name for field in fields(Member)][len(HEADER) :]


def read_members(path: Path, courses: Collection[str] | None = None) -> list[Member]:
    """Return the members on a roster. Raises ValueError with the line of a fault, or FileNotFoundError.

    Without `courses`, a course may have any name.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        return parse_members(path, csv.reader(file), courses)


def parse_members(path: Path, lines: Iterable[list[str]], courses: Collection[str] | None = None) -> list[Member]:
    """Return the members on these lines of the roster at `path`. Raises ValueError with the line of a fault."""
    rows = [[field.strip() for field in row] for row in lines]
    columns = rows[0] if rows else []
    if columns[: len(HEADER)] != HEADER:
        raise ValueError(f"{path}, line 1: the roster must begin with {','.join(HEADER)}")
    for name in columns[len(HEADER) :]:
        if name not in OPTIONAL_COLUMNS:
            raise ValueError(f"{path}, line 1: no column {name!r}; there may be {', '.join(OPTIONAL_COLUMNS)}")
    return [
        _read_member(f"{path}, line {number}", columns, row, courses)
        for number, row in enumerate(rows[1:], 2)
        if any(row)
    ]


def _read_member(where: str, columns: list[str], row: list[str], courses: Collection[str] | None) -> Member:
    if not len(HEADER) <= len(row) <= len(columns):
        raise ValueError(f"{where}: {len(row)} fields, not {len(columns)}")
    member = Member(**dict(zip(columns, row)))
    member = replace(member, user=member.user.lower())  # as the hub spells names
    if courses is not None and member.course not in courses:
        raise ValueError(f"{where}: no course {member.course!r}; the hub has {', '.join(courses)}")
    if fault := find_member_fault(member, courses or ()):
        raise ValueError(f"{where}: {fault}")
    return member


def find_member_fault(member: Member, courses: Collection[str] = ()) -> str:
    """Return what is wrong with a member's role, name or language on a hub with these courses; "" if nothing is."""
    if member.role not in GROUPS_BY_ROLE:
        return f"a role is {' or '.join(GROUPS_BY_ROLE)}, not {member.role!r}"
    if not member.user:
        return "'' cannot be in a course: the name is empty"
    if member.language and not find_code(member.language):
        return f"a language is a code such as ko, not {member.language!r}"
    for course in (member.course, *courses):
        if member.user.lower() == get_course_account(course):
            return f"{member.user!r} cannot be in a course: it is the account of {course}"
    return ""
