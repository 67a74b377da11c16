"""One cell of a submission, as it will run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class SubmittedCell:
    """One cell as it will run: the learner's or the course's."""

    id: str
    """The course's id for its cells; a unique one for added cells."""
    kind: Literal["given", "answer", "test", "written", "text", "added"]
    cell_type: str
    """code or markdown; raw only if the course's cell is raw."""
    source: str
    """The learner's text, or the course's for test cells and locked cells; "" for a missing answer."""
    attachments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Images in Markdown: name → type → base64."""
    repaired: str | None = None
    """The code that runs in place of the source; None for the source as it is."""
