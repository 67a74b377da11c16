"""The live form of an explorer as a widget. Imports anywidget; `nnkit.view.explorers.protocol` does without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Lock
from typing import Any

import anywidget
import numpy as np
import traitlets

from nnkit.view.errors import describe_error
from nnkit.view.explorers.protocol import Actor, Json, Player, Refused, script, style

PERIOD = 1 / 40
"""Seconds from one frame of a player to the next, at least."""


class Panel(anywidget.AnyWidget):
    """What the page and the kernel tell each other; see `nnkit.view.explorers.protocol`."""

    scene = traitlets.Dict().tag(sync=True)
    film = traitlets.Dict().tag(sync=True)
    ask = traitlets.Dict().tag(sync=True)
    at = traitlets.Int(0).tag(sync=True)
    """Which step the page shows."""

    @classmethod
    def of(cls, module: str, actor: Actor | Player) -> Panel:
        """The panel that this module of `static/` draws and this actor serves."""
        kind = type(f"{module.title()}Panel", (cls,), {"_esm": script(module), "_css": style()})
        with np.errstate(all="ignore"):  # what is not finite is told in the page
            scene, film = actor.start()
        panel: Panel = kind(scene=scene, film=film)
        if isinstance(actor, Player):
            stream = Stream(actor, panel.send)
            panel.on_msg(lambda _, message, __: stream.hear(message))
        else:
            panel.observe(lambda change: panel._answer(actor, change["new"]), "ask")
        return panel

    def _answer(self, actor: Actor, ask: Json) -> None:
        """The page gets a film for every question, with the question's number; a failure is told on the last film."""
        try:
            with np.errstate(all="ignore"):
                scene, film = actor.answer(ask)
        except Exception as error:  # whatever a learner's gate raises
            words = str(error) if isinstance(error, Refused) else describe_error(error)
            scene, film = None, {**self.film, "error": words}
        with self.hold_sync():
            if scene is not None:
                self.scene = scene
            self.film = {**film, "number": ask.get("number", 0)}


class Stream:
    """A player's frames, sent as fast as the page takes them: it grants some, and more while it draws them.

    So frames do not pile up, nothing moves on once the page has gone, and the kernel's other work runs in between.
    Frames go into no state of the widget, and are not kept.
    """

    def __init__(self, player: Player, send: Callable[[Json, list[bytes]], Any]):
        self._player, self._send = player, send
        self._granted, self._each = 0, Json()
        self._task: asyncio.Task[None] | None = None
        self._lock = Lock()  # a page that is loaded again may talk to another thread of the kernel

    def hear(self, message: Json) -> None:
        """Answer a question; {"frames": n, "each": question} grants n frames, each the answer to that question."""
        if "frames" not in message:
            self._frame(message)
            return
        self._granted, self._each = int(message["frames"]), message.get("each", {})
        loop = asyncio.get_running_loop()
        if self._granted and (self._task is None or self._task.done() or self._task.get_loop() is not loop):
            self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        time = asyncio.get_running_loop().time
        while self._granted > 0:
            self._granted -= 1
            begun = time()
            if self._frame(self._each).get("ended"):
                self._granted = 0
            await asyncio.sleep(max(0.0, PERIOD - (time() - begun)))

    def _frame(self, question: Json) -> Json:
        with self._lock, np.errstate(all="ignore"):
            content, buffers = self._player.reply(question)
        self._send(content, buffers)
        return content
