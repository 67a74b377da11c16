"""The outcome of a test cell, as it is kept and shared: plain data, and nothing of the submission but its replies."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class TestOutcome:
    """The points of a test cell, and all that is shown of it."""

    score: float
    outputs: list[dict[str, Any]] = field(default_factory=list)
    """Outputs in nbformat's form, not yet bounded or cleaned."""
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    """Verdicts of the checks that did not pass, as in `CellResult`."""
    trouble: str = ""
    bad_value: str = ""

    def number_outputs(self, count: int) -> None:
        """Give outputs that carry an execution count that of this submission."""
        for output in self.outputs:
            if "execution_count" in output:
                output["execution_count"] = count

    def to_bytes(self) -> bytes:
        """Return the outcome as JSON."""
        return json.dumps(vars(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> TestOutcome:
        """Return a new copy of the outcome that `to_bytes` wrote."""
        return cls(**json.loads(data))
