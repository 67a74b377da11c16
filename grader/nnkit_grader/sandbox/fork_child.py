"""From a fork of the warm process to the submission's cells."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from nnkit_grader.sandbox import lockdown, usage

TROUBLE = 70
"""Exit status of a process that could not lock itself in."""


def fork(cell: lockdown.Cell, channel: int, leash: int, readable: list[Path], serves: str) -> tuple[int, int]:
    """Start a locked process that serves `channel`; returns its number, and a hold on how it shares the machine.

    It says on `leash` that it is locked in, as JSON, or why it could not be. Raises `OSError` if there is no process.
    """
    warm = os.getpid()
    waits, goes = os.pipe()
    try:
        number = os.fork()
        if number == 0:
            os.close(goes)
            os.read(waits, 1)  # once it is locked in, nobody gets hold of it
            _serve(cell, warm, (channel, leash), readable, serves)
        return number, usage.hold(number)
    finally:
        os.close(waits)
        os.close(goes)


def _serve(cell: lockdown.Cell, warm: int, theirs: tuple[int, int], readable: list[Path], serves: str) -> NoReturn:
    try:
        channel, leash = (socket.socket(fileno=number) for number in theirs)
        try:
            _lock(cell, warm, theirs, readable)
        except BaseException as trouble:
            lockdown.tell(leash, json.dumps({"trouble": f"{type(trouble).__name__}: {trouble}"}).encode())
            os._exit(TROUBLE)
        walls = {"namespaces": cell.namespaces, "own_disk": cell.own_disk, "counted": cell.counted}
        lockdown.tell(leash, json.dumps({"pid": os.getpid(), **walls}).encode())
        leash.close()
        importlib.import_module(serves).serve(channel, cell.scratch)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _lock(cell: lockdown.Cell, warm: int, kept: tuple[int, int], readable: list[Path]) -> None:
    with contextlib.suppress(OSError):
        os.setsid()
    lockdown.close_all_but(kept)
    if cell.protected:
        lockdown.leave(cell)
    lockdown.die_with_parent()  # not before: a change of user takes it back
    if os.getppid() != warm:  # it has died already
        os._exit(TROUBLE)
    lockdown.furnish(cell)
    lockdown.limit(cell)
    if cell.protected:
        lockdown.shut(cell, readable)
    sys.argv = [""]
