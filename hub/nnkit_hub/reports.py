"""The reports of a course, each kept until its grades change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from nnkit_grader.course.release import list_assignments
from nnkit_grader.record.journal import JOURNAL_FOLDER


class ReportCache:
    """The reports of the course in one folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._pages: dict[str, tuple[object, str]] = {}
        self._lock = Lock()

    def list_graded(self) -> list[str]:
        """Return the assignments that have results."""
        return [name for name in list_assignments(self.folder) if (self.folder / JOURNAL_FOLDER / name).is_dir()]

    def get_page(self, assignment: str, address: Callable[[str], str]) -> str:
        """Return the report as a web page. Raises what `nnkit report` raises.

        `address` turns a path in the course folder into a link.
        """
        with self._lock:
            stamp = self._compute_stamp(assignment)
            kept = self._pages.get(assignment)
            if stamp is None or kept is None or kept[0] != stamp:
                kept = self._pages[assignment] = (stamp, self._render(assignment, address))
            return kept[1]

    def _compute_stamp(self, assignment: str) -> object:
        """Return a value that changes with the grades, or None if the gradebook is not in the folder."""
        gradebook = [self.folder / f"gradebook.db{suffix}" for suffix in ("", "-wal", "-journal")]
        if not gradebook[0].exists():
            return None
        results = sorted((self.folder / JOURNAL_FOLDER / assignment).rglob("*"))
        found = [path for path in (*gradebook, *results) if path.exists()]
        return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in found)

    def _render(self, assignment: str, address: Callable[[str], str]) -> str:
        from nnkit_grader.report import flags, similarity
        from nnkit_grader.report.collect import collect_results
        from nnkit_grader.report.page import render_page

        results = collect_results(self.folder, assignment)
        pairs = similarity.find_similar(results)
        findings = flags.find_flags(results, pairs)
        root = self.folder.resolve()
        return render_page(results, findings, pairs, lambda path: address(path.resolve().relative_to(root).as_posix()))
