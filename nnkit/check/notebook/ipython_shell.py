"""IPython's shell without a kernel: cells in, notebook outputs out; no history, threads or pager."""

from __future__ import annotations

import base64
import contextlib
import io
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nnkit.language import say
from nnkit.streams import BoundedStream, MutedOutput, OutputBudget

MAX_TEXT_CHARS = 200_000
"""Characters of text that one cell may show."""
MAX_OUTPUTS = 100
MAX_FIGURES = 10
MAX_DATA_CHARS = 5_000_000
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
MIME_TYPES = ("text/plain", "text/html", "text/markdown", "text/latex", *PICTURES)


@dataclass
class CellRun:
    """The outcome of running one cell."""

    error: BaseException | None = None
    """The exception that ended it."""
    value: Any = None
    """The value of its last expression, whether or not a semicolon hides it."""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    """Notebook outputs."""

    @property
    def printed(self) -> str:
        """Printed text, and displayed objects as text."""
        return "".join(_read_text(output) for output in self.outputs)

    @property
    def warned(self) -> str:
        """Text written to stderr."""
        return "".join(output["text"] for output in self.outputs if output.get("name") == "stderr")


def _read_text(output: dict[str, Any]) -> str:
    if output["output_type"] == "display_data":
        return f"{output['data'].get('text/plain', '')}\n"
    return str(output["text"]) if output.get("name") == "stdout" else ""


class CellShell:
    """A shell that runs cells and keeps their outputs; `user_ns` has their names."""

    def __init__(self, ipython: Any, max_text_chars: int, shows_errors_and_figures: bool):
        self.ipython, self.max_text_chars = ipython, max_text_chars
        self.shows_errors_and_figures = shows_errors_and_figures
        self.current = CellRun()
        self.quiet = MutedOutput()

    @property
    def user_ns(self) -> dict[str, Any]:
        namespace: dict[str, Any] = self.ipython.user_ns
        return namespace

    def run(self, count: int, source: str) -> CellRun:
        """Run one cell, the `count`-th."""
        self.current = run = CellRun()
        self.ipython.execution_count = count
        budget = OutputBudget(self.max_text_chars)
        with (
            contextlib.redirect_stdout(self._stream("stdout", budget)),
            contextlib.redirect_stderr(self._stream("stderr", budget)),
        ):
            try:
                result = self.ipython.run_cell(source, store_history=True)
                run.error = result.error_before_exec or result.error_in_exec
            except BaseException as fault:  # KeyboardInterrupt and the like, which IPython lets pass
                run.error = fault
            self._close_figures()
        run.outputs = run.outputs[:MAX_OUTPUTS]
        return run

    def _stream(self, name: str, budget: OutputBudget) -> BoundedStream:
        outputs = self.current.outputs

        def write(text: str) -> None:
            if outputs and outputs[-1].get("name") == name:
                outputs[-1]["text"] += text
            else:
                outputs.append({"output_type": "stream", "name": name, "text": str.__str__(text)})

        return BoundedStream(write, budget, "\n" + say("… and more, which was not kept."))

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Add an output of this type with a bundle of data by MIME type."""
        output: dict[str, Any] = {"output_type": kind, "data": _keep_text(data), "metadata": {}}
        if kind == "execute_result":
            output["execution_count"] = self.ipython.execution_count
        self.current.outputs.append(output)

    def publish_error(self, name: str, message: str, trace: Sequence[str]) -> None:
        """Add an error with its traceback."""
        self.current.outputs.append(
            {"output_type": "error", "ename": name, "evalue": message, "traceback": list(trace)}
        )

    def _close_figures(self) -> None:
        """Close Matplotlib's figures that the cell has made, and show them first, as a notebook does."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        for number in pyplot.get_fignums()[:MAX_FIGURES] if pyplot and self.shows_errors_and_figures else []:
            buffer = io.BytesIO()
            with contextlib.suppress(Exception):
                pyplot.figure(number).savefig(buffer, format="png", dpi=72, bbox_inches="tight")  # type: ignore[union-attr]
                self.publish("display_data", {"image/png": base64.b64encode(buffer.getvalue()).decode()})
        if pyplot:
            pyplot.close("all")


def _keep_text(data: dict[str, Any]) -> dict[str, str]:
    """Return a MIME bundle of texts; what is not text is dropped."""
    bundle = {}
    for kind, value in data.items():
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        if isinstance(value, str) and len(value) <= MAX_DATA_CHARS:
            bundle[str(kind)] = str.__str__(value)  # of a class of its own, as the HTML of a graph, too
    return bundle


def make_shell(
    mime_types: Sequence[str] = MIME_TYPES, max_text_chars: int = MAX_TEXT_CHARS, shows_errors_and_figures: bool = True
) -> CellShell:
    """Return this process's shell. It may be made once and used in forks of the process."""
    from traitlets.config import Config

    warnings.filterwarnings("ignore", message=".*is non-interactive")  # plt.show() under Agg
    options = {"display_page": True, "colors": "nocolor"}
    config = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": options})
    with tempfile.TemporaryDirectory() as folder:
        ipython: Any = _define_shell_class().instance(ipython_dir=folder, config=config)
    ipython.db = {}  # %cd and %bookmark keep their notes here, not in the folder that is gone
    ipython.display_formatter.active_types = list(mime_types)
    ipython.transform_cell("x = 1\n")  # once, before any fork: its tokenizer's patterns are compiled,
    ipython.display_formatter.format(0)  # its formatters are made,
    ipython.logger.log("", "")  # and its logger, which logs nothing
    ipython.cell_shell = CellShell(ipython, max_text_chars, shows_errors_and_figures)
    return ipython.cell_shell  # type: ignore[no-any-return]


def _define_shell_class() -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    class KernellessIPython(InteractiveShell):
        cell_shell: CellShell
        displayhook_class, display_pub_class = _define_display_classes()

        def showtraceback(self, *args: Any, **kwargs: Any) -> None:
            if self.cell_shell.shows_errors_and_figures:
                super().showtraceback(*args, **kwargs)

        def showsyntaxerror(self, *args: Any, **kwargs: Any) -> None:
            if self.cell_shell.shows_errors_and_figures:
                super().showsyntaxerror(*args, **kwargs)  # type: ignore[no-untyped-call]

        def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
            try:
                text = str(evalue)
            except Exception:
                text = say("(its message cannot be read)")
            self.cell_shell.publish_error(etype.__name__, text[:2000], [str(line) for line in stb][-200:])

        def enable_matplotlib(self, gui: str | None = None) -> tuple[Any, Any]:
            return gui, "agg"

    return KernellessIPython


def _define_display_classes() -> tuple[Any, Any]:
    """Return the classes by which IPython hands over a cell's value, and what it displays."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher

    class ValueHook(DisplayHook):
        shell: Any

        def __call__(self, result: Any = None) -> None:
            self.shell.cell_shell.current.value = result
            super().__call__(result)  # type: ignore[no-untyped-call]

        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
            self.shell.cell_shell.publish("execute_result", format_dict)

        def finish_displayhook(self) -> None:
            pass

    class OutputPublisher(DisplayPublisher):
        shell: Any

        def publish(self, data: Any, *others: Any, **named: Any) -> None:
            self.shell.cell_shell.publish("display_data", data)

        def clear_output(self, wait: bool = False) -> None:
            self.shell.cell_shell.current.outputs.clear()

    return ValueHook, OutputPublisher
