"""`nnkit roster`: who is in the class, in the roster's file and in nbgrader's gradebook.

The admin changes the roster's file; names, sections, e-mail addresses and languages in it go to the gradebook and
students.csv of the course folder that is given, written as the folder's owner. Graders extend due dates on the server
of the course's account.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from nnkit.atomic_files import replace_file
from nnkit.text import format_count
from nnkit_grader.course.students_file import STUDENTS_FILE, read_students
from nnkit_hub.roster import GROUPS_BY_ROLE, HEADER, Member, find_member_fault, parse_members, read_members

DETAILS = ("first_name", "last_name", "email", "section", "language")
DEFAULT_COURSE = "nnkit"


def check_roster(path: Path, course: Path | None) -> list[str]:
    """Return sentences on a roster and, if a course folder is given, on its gradebook.

    Raises ValueError with the line of a fault, or FileNotFoundError.
    """
    members = read_members(path)
    lines = []
    for name in sorted({member.course for member in members}):
        roles = [member.role for member in members if member.course == name]
        lines.append(f"{name}: {', '.join(format_count(roles.count(role), role) for role in GROUPS_BY_ROLE)}")
    if course:
        context = _open_course(course)
        wanted = {one.user for one in members if one.role == "learner" and one.course == context.coursedir.course_id}
        with _act_as_owner(course), _open_gradebook(context) as book:
            known = {student.id for student in book.students}
        lines += [f"{name} is not in the gradebook: run nnkit roster fill" for name in sorted(wanted - known)]
        lines += [f"{name} is in the gradebook, but not on the roster" for name in sorted(known - wanted)]
    return lines


def add_member(path: Path, member: Member) -> str:
    """Add a line to the roster. Raises ValueError if the person has that role already."""
    rows, columns = _read_rows(path)
    if any(row["course"] == member.course and row["user"] == member.user for row in rows):
        raise ValueError(f"{member.user} is in {member.course} already.")
    given = {name: getattr(member, name) for name in (*HEADER, *DETAILS)}
    columns += [name for name in DETAILS if given[name] and name not in columns]
    _write_rows(path, [*rows, given], columns)
    return f"{member.user} is now a {member.role} in {member.course}."


def drop_member(path: Path, course: str, user: str) -> str:
    """Remove a person from a course on the roster. Raises ValueError if they are not in it."""
    rows, columns = _read_rows(path)
    user = user.lower()
    left = [row for row in rows if (row["course"], row["user"]) != (course, user)]
    if len(left) == len(rows):
        raise ValueError(f"{user} is not in {course}.")
    _write_rows(path, left, columns)
    return f"{user} is no longer in {course}. What they handed in, and their scores, are kept."


def rename_person(
    path: Path, former: str, name: str, course: Path | None = None, exchange: Path | None = None, course_id: str = ""
) -> list[str]:
    """Give a person another name on the roster, in a course folder and in the exchange, as far as these are given.

    Return sentences. What an earlier run has renamed already is left alone. Raises ValueError before anything is
    changed if the name is not valid, or is taken in one of the places, or if the roster has neither name.
    """
    from nnkit_hub.exchange.archive import require_name

    former = former.lower()
    require_name(name, "a user")
    _require_lower_case(name)
    renamed = _rename_rows(path, former, name) if path.exists() else None
    context = _open_course(course) if course else None
    if course and context:
        with _act_as_owner(course):
            _require_free_in_course(context, former, name)
    moves = _list_moves(exchange, course_id, former, name) if exchange else []
    lines = []
    if renamed:
        _write_rows(path, *renamed)
        lines.append(f"{former} is {name} on the roster now.")
    elif path.exists():
        lines.append(f"{name} is on the roster already, and {former} is not.")
    if course and context:
        with _act_as_owner(course):
            _rename_in_course(context, former, name)
        lines.append(f"{former} is {name} in the gradebook of {context.coursedir.course_id}.")
    if exchange:
        number = _rename_in_exchange(exchange, course_id, moves, former, name)
        lines.append(f"{former} is {name} in the exchange, in {format_count(number, 'assignment')} of {course_id}.")
    return lines


def _rename_rows(path: Path, former: str, name: str) -> tuple[list[dict[str, str]], list[str]] | None:
    """Return the roster's lines with the new name, and its columns; None if they have it already."""
    rows, columns = _read_rows(path)
    users = {row["user"] for row in rows}
    if former not in users:
        if name in users:
            return None
        raise ValueError(f"{former} is not on the roster.")
    if name in users:
        raise ValueError(f"{name} is on the roster already.")
    changed = [{**row, "user": name} if row["user"] == former else row for row in rows]
    _require_rows(path, changed, columns)
    return changed, columns


def _require_free_in_course(context: Any, former: str, name: str) -> None:
    """Raise ValueError if the course has both names, in the gradebook or as folders of work."""
    from nbgrader.api import Student

    with _open_gradebook(context) as book:
        if all(book.db.get(Student, one) is not None for one in (former, name)):
            raise ValueError(f"the gradebook of {context.coursedir.course_id} has a learner {name} already.")
    for folder in _list_work_folders(context):
        if (folder / former).exists() and (folder / name).exists():
            raise ValueError(f"{folder} has a folder of {name} already.")


def _list_work_folders(context: Any) -> list[Path]:
    """Return the folders in which each learner has one of their own."""
    names = ("submitted_directory", "autograded_directory", "feedback_directory")
    return [Path(context.coursedir.root, getattr(context.coursedir, name)) for name in names]


def _rename_in_course(context: Any, former: str, name: str) -> None:
    """Rename a learner in the gradebook, in students.csv, and the folders of their work."""
    from nbgrader.api import Student

    with _open_gradebook(context) as book:
        if student := book.db.get(Student, former):
            _rename_row(book, student, name)
    for folder in _list_work_folders(context):
        if (folder / former).is_dir():
            (folder / former).rename(folder / name)
    students = Path(context.coursedir.root, STUDENTS_FILE)
    if students.is_file():
        rows, columns = read_students(students)
        changed = [{**row, "id": name} if row["id"] == former else row for row in rows]
        replace_file(students, _format_rows(changed, columns), mode=students.stat().st_mode & 0o777)


def _rename_row(book: Any, student: Any, name: str) -> None:
    """Change a primary key that others refer to: add the row under its new name, and let them refer to that."""
    from nbgrader.api import Student, SubmittedAssignment

    fields = {field: getattr(student, field) for field in ("first_name", "last_name", "email", "lms_user_id")}
    former = student.id
    book.db.add(Student(id=name, **fields))
    book.db.flush()
    moved = book.db.query(SubmittedAssignment).filter(SubmittedAssignment.student_id == former)
    moved.update({SubmittedAssignment.student_id: name}, synchronize_session=False)
    book.db.expire_all()
    book.db.query(Student).filter(Student.id == former).delete(synchronize_session=False)
    book.db.commit()


def _list_moves(folder: Path, course: str, former: str, name: str) -> list[Path]:
    """Return the exchange's folders of a learner. Raises ValueError if it has one of the new name beside them."""
    kinds = ("feedback", "submissions")
    found = [above / former for kind in kinds for above in sorted((folder / "courses" / course / kind).glob("*"))]
    moves = [source for source in found if source.is_dir()]
    if any(source.with_name(name).exists() for source in moves):
        raise ValueError(f"the exchange has submissions of {name} already.")
    return moves


def _rename_in_exchange(folder: Path, course: str, moves: list[Path], former: str, name: str) -> int:
    """Rename a learner's folders and extensions in the exchange; return the number of assignments they handed in.

    Their receipts keep the former name, which is signed.
    """
    for source in moves:
        source.rename(source.with_name(name))
    for path in sorted((folder / "courses" / course / "dates").glob("[!.]*")):
        dates, status = json.loads(path.read_bytes()), path.stat()
        if former in dates["extended"]:
            dates["extended"][name] = dates["extended"].pop(former)
            replace_file(path, json.dumps(dates), mode=0o600)
            if os.geteuid() == 0:
                os.chown(path, status.st_uid, status.st_gid)
    return sum(source.parent.parent.name == "submissions" for source in moves)


def fill_gradebook(path: Path, course: Path) -> str:
    """Write names, e-mail addresses, sections and languages of a course's learners into its gradebook and students.csv.

    What the roster leaves empty, and lines of students.csv for others, stay as they are.
    """
    context = _open_course(course)
    name = context.coursedir.course_id
    learners = [one for one in read_members(path) if one.course == name and one.role == "learner"]
    with _act_as_owner(course):
        with _open_gradebook(context) as book:
            for one in learners:
                details = {"first_name": one.first_name, "last_name": one.last_name, "email": one.email}
                book.update_or_create_student(one.user, **{key: value for key, value in details.items() if value})
        _fill_students(Path(context.coursedir.root, STUDENTS_FILE), learners)
    return f"the gradebook of {name} has its {len(learners)} learners."


def _fill_students(path: Path, learners: list[Member]) -> None:
    """Merge learners into students.csv by their ids."""
    rows, columns = read_students(path) if path.is_file() else ([], ["id"])
    known = [name for name in DETAILS if any(getattr(one, name) for one in learners)]
    columns += [name for name in known if name not in columns]
    by_id = {row["id"]: row for row in rows}
    for one in learners:
        if one.user not in by_id:
            by_id[one.user] = {"id": one.user}
            rows.append(by_id[one.user])
        by_id[one.user].update({name: getattr(one, name) for name in DETAILS if getattr(one, name)})
    replace_file(path, _format_rows(rows, columns), mode=path.stat().st_mode & 0o777 if path.is_file() else None)


def extend_due_date(course: Path, user: str, assignment: str, days: float, path: Path) -> str:
    """Extend an assignment's due date for one learner in the gradebook, and in the exchange if this server reaches it.

    Raises ValueError if the gradebook has no such assignment, or no due date for it, or if the learner is unknown:
    neither on the roster at `path` (which graders cannot read), nor in the gradebook, nor in students.csv.
    """
    from nbgrader.api import MissingEntry

    context = _open_course(course)
    enrolled = _is_enrolled(path, context.coursedir.course_id, user)
    with _act_as_owner(course), _open_gradebook(context) as book:
        if not enrolled and not _is_known(context, book, user):
            raise ValueError(
                f"{user} is neither on the roster nor in the gradebook or {STUDENTS_FILE}. If the name is right, add "
                f"them first: nbgrader db student add {user}"
            )
        try:
            due = book.find_assignment(assignment).duedate
        except MissingEntry:
            raise ValueError(f"the gradebook has no assignment {assignment}: generate it first.") from None
        if due is None:
            raise ValueError(f"{assignment} has no due date to extend: set one in Formgrader.")
        book.update_or_create_student(user)
        book.update_or_create_submission(assignment, user, extension=timedelta(days=days))
    until = (due + timedelta(days=days)).replace(tzinfo=UTC)
    return f"{assignment} is due for {user} on {until:%Y-%m-%d %H:%M} UTC{_send_dates(context, assignment)}."


def _is_enrolled(path: Path, course: str, user: str) -> bool:
    """Return True if the roster can be read here, and has this learner."""
    try:
        members = read_members(path)
    except OSError:
        return False
    return any((one.course, one.user, one.role) == (course, user, "learner") for one in members)


def _is_known(context: Any, book: Any, user: str) -> bool:
    """Return True if the gradebook or students.csv has this learner."""
    if any(student.id == user for student in book.students):
        return True
    students = Path(context.coursedir.root, STUDENTS_FILE)
    return students.is_file() and any(row["id"] == user for row in read_students(students)[0])


def _send_dates(context: Any, assignment: str) -> str:
    from nnkit_hub.exchange.calls import ExchangeClient
    from nnkit_hub.exchange.grader import send_dates

    client = ExchangeClient()
    if not client.address or not client.token:
        return "; learners see it when the assignment is next released or collected"
    with client:
        send_dates(client, context.coursedir, assignment)
    return ""


def get_course_id(course: Path | None) -> str:
    """Return the name of the course in a folder, by its configuration; that of the kit's own without a folder."""
    return str(_open_course(course).coursedir.course_id) if course else DEFAULT_COURSE


def _open_course(course: Path) -> Any:
    from nnkit_grader.course.nbgrader_context import open_course

    return open_course(course)


def _open_gradebook(context: Any) -> Any:
    """Return nbgrader's gradebook. A new one gets its version here; nbgrader would need `alembic` on the PATH."""
    from nbgrader.api import Gradebook

    from nnkit_grader.record.gradebook import CourseGradebook

    coursedir = context.coursedir
    with CourseGradebook(coursedir.db_url, coursedir.course_id):
        return Gradebook(coursedir.db_url, coursedir.course_id)


@contextlib.contextmanager
def _act_as_owner(folder: Path) -> Iterator[None]:
    """Context manager in which root has the rights of a folder's owner, so that its files stay theirs."""
    if os.geteuid() != 0:
        yield
        return
    status = folder.stat()
    group = os.getegid()
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def _read_rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Return the lines of a valid roster by column, and the columns."""
    read_members(path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = [[field.strip() for field in row] for row in csv.reader(file) if any(row)]
    rows = [dict(zip(lines[0], row)) for row in lines[1:]]
    return [{**row, "user": row["user"].lower()} for row in rows], lines[0]  # as the hub spells names


def _require_rows(path: Path, rows: list[dict[str, str]], columns: list[str]) -> None:
    """Raise ValueError with the line of a fault if the hub would refuse a roster of these lines."""
    parse_members(path, csv.reader(io.StringIO(_format_rows(rows, columns))), {row["course"] for row in rows})


def _write_rows(path: Path, rows: list[dict[str, str]], columns: list[str]) -> None:
    """Replace a roster, with the same permissions and owner. Raises ValueError if the hub would refuse it."""
    _require_rows(path, rows, columns)
    status = path.stat()
    replace_file(path, _format_rows(rows, columns), mode=status.st_mode & 0o777)
    if os.geteuid() == 0:
        os.chown(path, status.st_uid, status.st_gid)


def _format_rows(rows: list[dict[str, str]], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *([row.get(name, "") for name in columns] for row in rows)])
    return text.getvalue()


def require_member(fields: Mapping[str, str]) -> Member:
    """Return the member with these fields. Raises ValueError with a sentence."""
    member = Member(**fields)
    if fault := find_member_fault(member):
        raise ValueError(f"{fault}.")
    _require_lower_case(member.user)
    return member


def _require_lower_case(name: str) -> None:
    if name != name.lower():
        raise ValueError(f"{name!r} cannot be in a course: the hub spells names in lower case, here {name.lower()}.")
