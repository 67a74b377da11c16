"""Somebody of a course on a hub: nbgrader's own steps, with their token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from traitlets.config import Config

from helpers import classes, exchanges
from nnkit_hub.exchange import client, receipts

COURSE, HW = exchanges.COURSE, classes.NAME


class Member:
    """Somebody at their server: nbgrader's steps, with their token."""

    def __init__(self, hub: exchanges.Hub, user: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub, self.user, self.folder, self.monkeypatch = hub, user, folder, monkeypatch
        self.work = folder / COURSE / HW
        folder.mkdir(exist_ok=True)

    def do(self, step: str, assignment: str = HW, course: str = COURSE, student: str = "*", **options: Any) -> Any:
        self.sit_down()
        c = config()
        c.CourseDirectory.root = c.Exchange.assignment_dir = str(self.folder)
        c.CourseDirectory.course_id, c.CourseDirectory.assignment_id = course, assignment
        c.CourseDirectory.student_id = student
        given = {"coursedir": CourseDirectory(config=c), "authenticator": Authenticator(config=c), "config": c}
        app = getattr(ExchangeFactory(config=c), step)(**given)
        for name, value in options.items():
            setattr(app, name, value)
        return app.start()

    def sit_down(self) -> None:
        for name, value in self.hub.environ(self.user).items():
            self.monkeypatch.setenv(name, value)

    def hand_in(self, **answers: str) -> dict[str, Any]:
        """Fetch if need be, answer, submit; the receipt."""
        if not self.work.exists():
            self.do("FetchAssignment")
        notebook = self.work / f"{HW}.ipynb"
        written = json.loads(notebook.read_text())
        for cell in written["cells"]:
            cell["source"] = answers.get(cell["metadata"]["nbgrader"]["grade_id"], cell["source"])
        notebook.write_text(json.dumps(written))
        self.do("Submit")
        return receipts.read_receipt(self.receipts()[-1])

    def receipts(self) -> list[Path]:
        return sorted((self.work / "receipts").glob("*/receipt.json"))


def config() -> Config:
    c = Config()
    client.install(c)
    c.CourseDirectory.source_directory, c.CourseDirectory.release_directory = "solutions", "assignments"
    return c
