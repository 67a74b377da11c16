"""The start of a child: from a fork of the fork server to a locked process that serves the submission."""

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

EXIT_NOT_LOCKED = 70
"""Exit status of a process that could not lock itself in."""


def start_child(
    confinement: lockdown.Confinement, channel: int, leash: int, readable: list[Path], serves: str
) -> tuple[int, int]:
    """Start a locked process that serves `channel`; return its process id, and its autogroup file (`usage`).

    It reports on `leash` as JSON that it is locked in, or why it is not. Raises OSError if it cannot be forked.
    """
    warm = os.getpid()
    waits, goes = os.pipe()
    try:
        number = os.fork()
        if number == 0:
            os.close(goes)
            os.read(waits, 1)  # once it is locked in, its autogroup cannot be opened
            _serve_channel(confinement, warm, (channel, leash), readable, serves)
        return number, usage.open_autogroup(number)
    finally:
        os.close(waits)
        os.close(goes)


def _serve_channel(
    confinement: lockdown.Confinement, warm: int, theirs: tuple[int, int], readable: list[Path], serves: str
) -> NoReturn:
    try:
        channel, leash = (socket.socket(fileno=number) for number in theirs)
        try:
            _lock_in(confinement, warm, theirs, readable)
        except BaseException as trouble:
            lockdown.send_message(leash, json.dumps({"trouble": f"{type(trouble).__name__}: {trouble}"}).encode())
            os._exit(EXIT_NOT_LOCKED)
        walls = {"namespaces": confinement.namespaces, "own_disk": confinement.own_disk, "counted": confinement.counted}
        walls["landlock"] = confinement.landlock
        lockdown.send_message(leash, json.dumps({"pid": os.getpid(), **walls}).encode())
        leash.close()
        importlib.import_module(serves).serve(channel, confinement.scratch)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _lock_in(confinement: lockdown.Confinement, warm: int, kept: tuple[int, int], readable: list[Path]) -> None:
    with contextlib.suppress(OSError):
        os.setsid()
    lockdown.close_files(kept)
    if confinement.protected:
        lockdown.drop_identity(confinement)
    lockdown.die_with_parent()  # not earlier: a change of user would undo it
    if os.getppid() != warm:  # it has died already
        os._exit(EXIT_NOT_LOCKED)
    lockdown.make_home(confinement)
    lockdown.set_limits(confinement)
    if confinement.protected:
        lockdown.raise_walls(confinement, readable)
    sys.argv = [""]
