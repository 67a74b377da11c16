"""The frozen form of an explorer: the module of its live form, with answers that were computed in advance.

It works in pages without a kernel: a notebook exported to HTML, a course's web site. A page without scripts shows the
still form.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import numpy as np

from nnkit.view.explorers.protocol import Actor, Json, StreamingActor, describe_failure
from nnkit.view.scripts import bundle_frozen_script, read_style, translate_script

RECORDED_FRAMES, UPDATES_PER_FRAME = 25, 16
"""The length of a recorded training, in frames, and the number of updates from one to the next."""


def freeze(actor: Actor | StreamingActor) -> Json | None:
    """Return what the page needs in place of an actor; None if a page without a kernel cannot stand in for it.

    For an actor that answers: {"setups", "answers"}, each answer with its request, its state and the number of its
    setup. For one that streams: {"setups", "frames"}, a recorded training.
    """
    with np.errstate(all="ignore"):
        return _record(actor) if isinstance(actor, StreamingActor) else _collect_answers(actor)


def build_frozen_page(module: str, frozen: Json, still: str) -> str:
    """Return HTML in which the still form is replaced by the frozen one where scripts run and no kernel does."""
    place = f"nnx-frozen-{uuid4().hex}"  # the same explorer may be on a page twice
    data = json.dumps(
        {"language": translate_script(module), **frozen}, separators=(",", ":"), ensure_ascii=False
    ).replace("<", "\\u003c")
    return (
        f'<div class="nnx-still" id="{place}">{still}</div>'
        f'<script type="application/json" id="{place}-data" data-explorer="{module}">{data}</script>'
        f'<script type="module">{bundle_frozen_script(module)}\n'
        f"showFrozen({json.dumps(place)}, explorer, {json.dumps(read_style())});</script>"
    )


def _collect_answers(actor: Actor) -> Json | None:
    requests = actor.list_frozen_requests()
    if not requests:
        return None
    setup, state = actor.start()
    setups, answers = [setup], []
    for request in [*requests, requests[0]]:  # the live form begins as if nothing had been requested
        try:
            setup_or_none, state = actor.answer(request)
        except Exception as error:  # a learner's gate may raise anything
            setup_or_none, state = None, {**state, "error": describe_failure(error)}
        if setup_or_none is not None:
            setups.append(setup_or_none)
        answers.append({"request": request, "state": state, "setup": len(setups) - 1})
    return {"setups": setups, "answers": answers[:-1]}


def _record(actor: StreamingActor) -> Json:
    setup, first = actor.start()
    frames = [_pack(first["content"], first["buffers"])]
    for _ in range(RECORDED_FRAMES):
        content, buffers = actor.reply({"train": UPDATES_PER_FRAME})
        frames.append(_pack(content, buffers))
        if content["ended"]:
            break
    frames[-1] = _pack(*actor.reply({}))  # with the maps of all units, as every frame at rest
    actor.reply({"reset": True})
    return {"setups": [setup], "frames": frames}


def _pack(content: Json, buffers: Iterable[Any]) -> Json:
    return {"content": content, "buffers": [b64encode(zlib.compress(bytes(b))).decode("ascii") for b in buffers]}
