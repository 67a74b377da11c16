"""IPython's shell as a learner's process needs it: cells in, notebook outputs out; no kernel, history or threads."""

from __future__ import annotations

import base64
import contextlib
import io
import sys
import tempfile
from typing import Any

MOST = 200_000
"""Characters of text that one cell may show."""
OUTPUTS = 100
FIGURES = 10
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")


class Stream(io.TextIOBase):
    """stdout or stderr: keeps the first characters, forgets the rest."""

    def __init__(self, name: str, outputs: list[dict[str, Any]], room: list[int]):
        self.label, self.outputs, self.room = name, outputs, room

    def write(self, text: str) -> int:
        if self.room[0] > 0:
            kept = text[: self.room[0]]
            self.room[0] -= len(kept)
            last = self.outputs[-1] if self.outputs else {}
            if last.get("name") == self.label:
                last["text"] += kept
            else:
                self.outputs.append({"output_type": "stream", "name": self.label, "text": kept})
            if self.room[0] <= 0:
                self.outputs[-1]["text"] += "\n… and more, which was not kept."
        return len(text)

    def writable(self) -> bool:
        return True


class Quiet:
    """What is printed meanwhile goes nowhere. (A class, for speed: an examination is hundreds of small calls.)"""

    def __init__(self) -> None:
        self.nowhere = Stream("stdout", [], [0])
        self.before: list[tuple[Any, Any]] = []

    def __enter__(self) -> None:
        self.before.append((sys.stdout, sys.stderr))
        sys.stdout = sys.stderr = self.nowhere

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self.before.pop()


class Shell:
    """One learner's shell: `run` a cell, look into `user_ns`."""

    def __init__(self, ipython: Any):
        self.ipython = ipython
        self.outputs: list[dict[str, Any]] = []
        self.quiet = Quiet()

    @property
    def user_ns(self) -> dict[str, Any]:
        namespace: dict[str, Any] = self.ipython.user_ns
        return namespace

    def run(self, count: int, source: str) -> tuple[str, list[dict[str, Any]]]:
        """Run one cell; returns the name of what ended it ("" if nothing did), and its outputs."""
        self.outputs, room = [], [MOST]
        self.ipython.execution_count = count
        out, err = Stream("stdout", self.outputs, room), Stream("stderr", self.outputs, room)
        ended = ""
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                result = self.ipython.run_cell(source, store_history=True)
                error = result.error_before_exec or result.error_in_exec
                ended = type(error).__name__ if error is not None else ""
            except BaseException as fault:  # KeyboardInterrupt and the like, which IPython lets pass
                ended = type(fault).__name__
            self.show_figures()
        return ended, self.outputs[:OUTPUTS]

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        output: dict[str, Any] = {"output_type": kind, "data": _plain(data), "metadata": {}}
        if kind == "execute_result":
            output["execution_count"] = self.ipython.execution_count
        self.outputs.append(output)

    def show_figures(self) -> None:
        """Matplotlib's figures that the cell has made, as a notebook shows them, and close them."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        for number in pyplot.get_fignums()[:FIGURES] if pyplot else []:
            buffer = io.BytesIO()
            with contextlib.suppress(Exception):
                pyplot.figure(number).savefig(buffer, format="png", dpi=72, bbox_inches="tight")  # type: ignore[union-attr]
                self.publish("display_data", {"image/png": base64.b64encode(buffer.getvalue()).decode()})
        if pyplot:
            pyplot.close("all")


def _plain(data: dict[str, Any]) -> dict[str, str]:
    """A MIME bundle of texts; what is not text is not kept."""
    bundle = {}
    for kind, value in data.items():
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        if isinstance(value, str) and len(value) <= 5_000_000:
            bundle[str(kind)] = value
    return bundle


def make_shell() -> Shell:
    """A shell to be forked: made once, used in each child once."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Hook(DisplayHook):
        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
            shell.publish("execute_result", format_dict)

        def finish_displayhook(self) -> None:
            pass

    class Publisher(DisplayPublisher):
        def publish(self, data: Any, *others: Any, **named: Any) -> None:
            shell.publish("display_data", data)

        def clear_output(self, wait: bool = False) -> None:
            shell.outputs.clear()

    class IPython(InteractiveShell):
        displayhook_class = Hook
        display_pub_class = Publisher

        def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
            try:
                text = str(evalue)
            except Exception:
                text = "(its message cannot be read)"
            lines = [str(line) for line in stb][-200:]
            shell.outputs.append(
                {"output_type": "error", "ename": etype.__name__, "evalue": text[:2000], "traceback": lines}
            )

        def enable_matplotlib(self, gui: str | None = None) -> tuple[Any, Any]:
            return gui, "agg"

    config = Config(
        {"HistoryManager": {"enabled": False}, "InteractiveShell": {"display_page": True, "colors": "nocolor"}}
    )
    with tempfile.TemporaryDirectory() as folder:
        ipython: Any = IPython.instance(ipython_dir=folder, config=config)
    ipython.display_formatter.active_types = ["text/plain", "text/html", "text/markdown", "text/latex", *PICTURES]
    ipython.transform_cell("x = 1\n")  # its tokenizer's patterns are compiled once, before the fork
    shell = Shell(ipython)
    return shell
