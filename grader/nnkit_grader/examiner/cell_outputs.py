"""A test cell's outcome as notebook outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nnkit.check import Verdict, WrongDerivative
from nnkit_grader.examiner.run_cell import TooLong
from nnkit_grader.rpc.proxies import Gone


def shown(
    verdicts: list[Verdict], printed: str, fault: BaseException | None, value: Any, count: int
) -> Iterator[dict[str, Any]]:
    """A test cell's outputs: a line for what passed, what was printed, a card for what did not pass, what ended it."""
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
        yield error(type(fault).__name__, *_told(fault))
    elif value is not None:
        yield {
            "output_type": "execute_result",
            "data": {"text/plain": f"{value}"},
            "metadata": {},
            "execution_count": count,
        }


def _told(fault: BaseException) -> list[str]:
    if isinstance(fault, WrongDerivative):
        return [fault.verdict.first_line()]
    if isinstance(fault, Gone):
        return [f"The test could not be finished: {fault}."]
    if isinstance(fault, TooLong):
        return ["The test did not end in time."]
    trace = getattr(fault, "learners_trace", "")
    return [f"{type(fault).__name__}: {_text(fault)}", *trace.splitlines()]


def _text(fault: BaseException) -> str:
    try:
        return " ".join(str(fault).split())[:500]
    except Exception:
        return ""


def trouble(fault: BaseException | None) -> str:
    """What ended a test cell that no verdict ended, as one line; "" where a verdict says it."""
    if fault is None or isinstance(fault, WrongDerivative):
        return ""
    return _told(fault)[0]


def error(name: str, *lines: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": lines[0], "traceback": list(lines)}
