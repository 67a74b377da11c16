"""Lecture 05's gate in PyTorch: where PyTorch is not installed, the lecture shows what the cell prints here."""

from __future__ import annotations

import ast
import json

import numpy as np
import pytest

from helpers.paths import ROOT


def test_the_lecture_shows_what_pytorch_prints(capsys: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads((ROOT / "notebooks" / "05_jax_and_the_gpu.ipynb").read_text(encoding="utf-8"))
    (source,) = ["".join(cell["source"]) for cell in notebook["cells"] if cell["id"] == "bump-torch"]
    exec(source, {"bump_x": np.array([0.5, -1.2, 2.0])})
    (choice,) = [statement for statement in ast.parse(source).body if isinstance(statement, ast.If)]
    shown = [ast.literal_eval(printed.value.args[0]) for printed in choice.orelse]  # type: ignore[attr-defined]
    assert capsys.readouterr().out.splitlines() == shown
