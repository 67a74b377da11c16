"""The live form of an explorer as a widget. Imports anywidget; `nnkit.view.explorers.protocol` does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Lock
from typing import Any

import anywidget
import numpy as np
import traitlets

from nnkit.view.explorers.protocol import Actor, Json, StreamingActor, describe_failure
from nnkit.view.scripts import bundle_script, read_style, translate_script

MIN_FRAME_SECONDS = 1 / 40
"""The shortest time from one frame of a streaming actor to the next."""


class ExplorerWidget(anywidget.AnyWidget):
    """The widget whose traits the page and the kernel share; see `nnkit.view.explorers.protocol`."""

    language = traitlets.Dict().tag(sync=True)
    setup = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    request = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    """The step that the page shows."""

    @classmethod
    def create(cls, module: str, actor: Actor | StreamingActor) -> ExplorerWidget:
        """Return the widget that a module of `static/` draws and `actor` serves."""
        widget_class = type(f"{module.title()}Widget", (cls,), {"_esm": bundle_script(module), "_css": read_style()})
        with np.errstate(all="ignore"):  # the page shows numbers that are not finite
            setup, state = actor.start()
        widget: ExplorerWidget = widget_class(language=translate_script(module), setup=setup, state=state)
        if isinstance(actor, StreamingActor):
            stream = FrameStream(actor, widget.send)
            widget.on_msg(lambda _, message, __: stream.receive(message))
        else:
            widget.observe(lambda change: widget._handle_request(actor, change["new"]), "request")
        return widget

    def _handle_request(self, actor: Actor, request: Json) -> None:
        """Answer a request with a state that has its number; after a failure, with the last state and an error."""
        try:
            with np.errstate(all="ignore"):
                setup, state = actor.answer(request)
        except Exception as error:  # a learner's gate may raise anything
            setup, state = None, {**self.state, "error": describe_failure(error)}
        with self.hold_sync():
            if setup is not None:
                self.setup = setup
            self.state = {**state, "number": request.get("number", 0)}


class FrameStream:
    """Frames of a streaming actor, sent as fast as the page draws them (credit-based flow control).

    The page grants a number of frames, and more while it draws them. So frames do not pile up, training stops when the
    page is gone, and the kernel's other work runs in between. Frames are messages, not part of the widget's state.
    """

    def __init__(self, actor: StreamingActor, send: Callable[[Json, list[bytes]], Any]):
        self._actor, self._send = actor, send
        self._granted, self._frame_request = 0, Json()
        self._task: asyncio.Task[None] | None = None
        self._lock = Lock()  # a reloaded page may talk to another thread of the kernel

    def receive(self, message: Json) -> None:
        """Answer a request; {"frames": n, "each": request} grants n frames, each the answer to that request."""
        if "frames" not in message:
            self._send_frame(message)
            return
        self._granted, self._frame_request = int(message["frames"]), message.get("each", {})
        loop = asyncio.get_running_loop()
        if self._granted and (self._task is None or self._task.done() or self._task.get_loop() is not loop):
            self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        time = asyncio.get_running_loop().time
        while self._granted > 0:
            self._granted -= 1
            start = time()
            if self._send_frame(self._frame_request).get("ended"):
                self._granted = 0
            await asyncio.sleep(max(0.0, MIN_FRAME_SECONDS - (time() - start)))

    def _send_frame(self, request: Json) -> Json:
        with self._lock, np.errstate(all="ignore"):
            content, buffers = self._actor.reply(request)
        self._send(content, buffers)
        return content
