"""Outputs of a learner's cell, made small enough to send: a text that is too long would end the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nnkit.text import drop_scripts
from nnkit_grader.rpc.codec import MAX_TEXT_CHARACTERS

MAX_CELL_CHARACTERS = 4_000_000
MAX_LINE_CHARACTERS = 20_000
"""Length of a line of a traceback."""


def fit_outputs(outputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the outputs without what is too large; a line of text says what is left out."""
    fitted: list[dict[str, Any]] = []
    room = MAX_CELL_CHARACTERS
    for output in outputs:
        if "data" in output:
            output = {**output, "data": _fit_bundle(output["data"])}
            room -= sum(map(len, output["data"].values()))
        elif "traceback" in output:
            output = {**output, "traceback": [line[:MAX_LINE_CHARACTERS] for line in output["traceback"]]}
            room -= sum(map(len, output["traceback"]))
        if room < 0:
            fitted.append({"output_type": "stream", "name": "stdout", "text": "(There is too much output.)\n"})
            break
        fitted.append(output)
    return fitted


def _fit_bundle(data: Mapping[str, str]) -> dict[str, str]:
    """Return a MIME bundle without scripts, which no page of the grader runs, and without what is still too long."""
    texts = {kind: drop_scripts(text) if kind == "text/html" else text for kind, text in data.items()}
    kept = {kind: text for kind, text in texts.items() if len(text) <= MAX_TEXT_CHARACTERS}
    plain = texts.get("text/plain", "")[: MAX_TEXT_CHARACTERS // 2]
    notes = [f"({'the rest' if kind == 'text/plain' else kind} is left out: it is too large.)"
             for kind in texts if kind not in kept]  # fmt: skip
    return {**kept, "text/plain": "\n".join(filter(None, [plain, *notes]))} if notes else kept
