"""Outputs of a learner's cell, made small enough to send: a text that is too long would end the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnkit.text import drop_scripts
from nnkit_grader.rpc.codec import MAX_TEXT_CHARACTERS

MAX_CELL_CHARACTERS = 4_000_000
MAX_LINE_CHARACTERS = 20_000
"""Length of a line of a traceback."""
MAX_LINES = 100
"""Lines of a traceback."""


def fit_outputs(outputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the outputs without what is too large; a line of text says what is left out. The error that ended the
    cell, its last output, is always kept."""
    fitted: list[dict[str, Any]] = []
    room = MAX_CELL_CHARACTERS
    for output in outputs:
        output = _fit_output(output)
        room -= sum(map(len, output.get("data", {}).values())) + sum(map(len, output.get("traceback", ())))
        if room < 0:
            fitted.append({"output_type": "stream", "name": "stdout", "text": "(There is too much output.)\n"})
            fitted += [_fit_output(last) for last in outputs[-1:] if "traceback" in last]
            break
        fitted.append(output)
    return fitted


def _fit_output(output: dict[str, Any]) -> dict[str, Any]:
    if "data" in output:
        return {**output, "data": _fit_bundle(output["data"])}
    if "traceback" in output:
        return {**output, "traceback": _fit_traceback(output["traceback"])}
    return output


def _fit_traceback(lines: list[str]) -> list[str]:
    """Return the last lines of a traceback, where the error is, none too long."""
    return [line[:MAX_LINE_CHARACTERS] for line in lines[-MAX_LINES:]]


def _fit_bundle(data: Mapping[str, str]) -> dict[str, str]:
    """Return a MIME bundle without scripts, which no page of the grader runs, and without what is still too long."""
    texts = {kind: drop_scripts(text) if kind == "text/html" else text for kind, text in data.items()}
    kept = {kind: text for kind, text in texts.items() if len(text) <= MAX_TEXT_CHARACTERS}
    plain = texts.get("text/plain", "")[: MAX_TEXT_CHARACTERS // 2]
    notes = [f"({'the rest' if kind == 'text/plain' else kind} is left out: it is too large.)"
             for kind in texts if kind not in kept]  # fmt: skip
    return {**kept, "text/plain": "\n".join(filter(None, [plain, *notes]))} if notes else kept
