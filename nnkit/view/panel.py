"""The live form of an explorer as a widget. Imports anywidget; `nnkit.view.live` does without."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import traitlets

from nnkit.view.live import Actor, Refused, fault, script, style


class Panel(anywidget.AnyWidget):
    """What the page and the kernel tell each other; see `nnkit.view.live`."""

    scene = traitlets.Dict().tag(sync=True)
    film = traitlets.Dict().tag(sync=True)
    ask = traitlets.Dict().tag(sync=True)
    at = traitlets.Int(0).tag(sync=True)
    """Which step the page shows."""

    @classmethod
    def of(cls, module: str, actor: Actor) -> Panel:
        """The panel that this module of `static/` draws and this actor serves."""
        kind = type(f"{module.title()}Panel", (cls,), {"_esm": script(module), "_css": style()})
        with np.errstate(all="ignore"):  # what is not finite is told in the page
            scene, film = actor.start()
        panel: Panel = kind(scene=scene, film=film)
        panel.observe(lambda change: panel._answer(actor, change["new"]), "ask")
        return panel

    def _answer(self, actor: Actor, ask: dict[str, Any]) -> None:
        """The page gets a film for every question, with the question's number; a failure is told on the last film."""
        try:
            with np.errstate(all="ignore"):
                scene, film = actor.answer(ask)
        except Exception as error:  # whatever a learner's gate raises
            scene, film = None, {**self.film, "error": str(error) if isinstance(error, Refused) else fault(error)}
        with self.hold_sync():
            if scene is not None:
                self.scene = scene
            self.film = {**film, "number": ask.get("number", 0)}
