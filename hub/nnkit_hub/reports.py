"""The reports of a course, each kept as long as nothing has been graded since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from nnkit_grader.course.release import list_assignments
from nnkit_grader.record.journal import JOURNAL_FOLDER


class Reports:
    """Of the course in this folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._made: dict[str, tuple[object, str]] = {}
        self._one_at_a_time = Lock()

    def assignments(self) -> list[str]:
        """Those of which something has been graded."""
        return [name for name in list_assignments(self.folder) if (self.folder / JOURNAL_FOLDER / name).is_dir()]

    def page(self, assignment: str, address: Callable[[str], str]) -> str:
        """The web page; `address` makes a link of a path in the course folder. Raises what `nnkit report` raises."""
        with self._one_at_a_time:
            stamp = self._stamp(assignment)
            made = self._made.get(assignment)
            if stamp is None or made is None or made[0] != stamp:
                made = self._made[assignment] = (stamp, self._make(assignment, address))
            return made[1]

    def _stamp(self, assignment: str) -> object:
        """Something that differs once grades have changed; None where that cannot be told (a gradebook elsewhere)."""
        book = [self.folder / f"gradebook.db{suffix}" for suffix in ("", "-wal", "-journal")]
        if not book[0].exists():
            return None
        results = sorted((self.folder / JOURNAL_FOLDER / assignment).rglob("*"))
        found = [path for path in (*book, *results) if path.exists()]
        return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in found)

    def _make(self, assignment: str, address: Callable[[str], str]) -> str:
        from nnkit_grader.report import flags, similarity
        from nnkit_grader.report.collect import collect_results
        from nnkit_grader.report.page import render_page

        results = collect_results(self.folder, assignment)
        pairs = similarity.find_similar(results)
        findings = flags.find_flags(results, pairs)
        root = self.folder.resolve()
        return render_page(results, findings, pairs, lambda path: address(path.resolve().relative_to(root).as_posix()))
