"""The outputs of a test cell, as a notebook shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nnkit.check import Verdict, WrongDerivative
from nnkit.language import say
from nnkit_grader.examiner.run_cell import CellTimeout
from nnkit_grader.rpc.connection import ProcessLost

MAX_TROUBLE_CHARACTERS = 500


def format_outputs(
    verdicts: list[Verdict], printed: str, fault: BaseException | None, value: str
) -> Iterator[dict[str, Any]]:
    """Yield a test cell's outputs: lines for checks that passed, what was printed, a card for each other, the error."""
    for verdict in verdicts:
        printed = printed.replace(f"{verdict}\n", "")  # `partial_credit` prints what has a card here
    text = "".join(f"{verdict.first_line()}\n" for verdict in verdicts if verdict.passed) + printed
    if text:
        yield {"output_type": "stream", "name": "stdout", "text": text}
    for verdict in verdicts:
        if not verdict.passed:
            data = {"text/plain": str(verdict), "text/html": verdict._repr_html_() or ""}
            yield {"output_type": "display_data", "data": data, "metadata": {}}
    if fault is not None:
        yield make_error_output(type(fault).__name__, *_describe_error(fault))
    elif value:
        yield {
            "output_type": "execute_result",
            "data": {"text/plain": value},
            "metadata": {},
            "execution_count": None,
        }


def describe_error_output(outputs: list[dict[str, Any]]) -> str:
    """Return the error with which a cell's outputs end, in a line; "" if there is none."""
    found = [output for output in outputs if output.get("output_type") == "error"]
    return f"{found[-1].get('ename', '')}: {found[-1].get('evalue', '')}"[:MAX_TROUBLE_CHARACTERS] if found else ""


def _describe_error(fault: BaseException) -> list[str]:
    if isinstance(fault, WrongDerivative):
        return [fault.verdict.first_line()]
    if isinstance(fault, ProcessLost):
        return [say("The test could not be finished: {reason}.", reason=fault)]
    if isinstance(fault, CellTimeout):
        return [say("The test did not end in time.")]
    trace = getattr(fault, "learners_trace", "")
    return [f"{type(fault).__name__}: {_read_message(fault)}", *trace.splitlines()]


def _read_message(fault: BaseException) -> str:
    try:
        return " ".join(str(fault).split())[:500]
    except Exception:
        return ""


def describe_failure(fault: BaseException | None) -> str:
    """Return the error that ended a test cell as one line; "" if there is none, or if a verdict says it."""
    if fault is None or isinstance(fault, WrongDerivative):
        return ""
    return _describe_error(fault)[0]


def make_error_output(name: str, *lines: str) -> dict[str, Any]:
    """Return an error output in nbformat's form."""
    return {"output_type": "error", "ename": name, "evalue": lines[0], "traceback": list(lines)}
