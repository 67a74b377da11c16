"""Starts the demo's servers: learners' and the TA's behind a wall, the course's account beside the hub.

The course's account needs no wall, for its folder is all that is worth one; and it builds walls itself, when it grades.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import Bool, List

from nnkit_hub.demo import sandbox_command
from nnkit_hub.demo.demo_people import COURSE
from nnkit_hub.roles import account

PATIENCE = 10.0
"""Seconds in which a server may end by itself."""


class ClassSpawner(SimpleLocalProcessSpawner):  # type: ignore[misc]
    """A process of the hub's own user, in a session of its own."""

    cmd: Any
    walled: Any = Bool().tag(config=True)
    readable: Any = List(help="Folders that a server may read besides its home and Python.").tag(config=True)
    _session = 0

    async def start(self) -> tuple[str, int]:
        """Start it behind a wall, where there is one to be built."""
        home = Path(self.home_dir)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        plain: list[str] = list(self.cmd)
        if os.geteuid() == 0:
            self.args = ["--allow-root"]
        if self.walled and self.user.name != account(COURSE):
            self.cmd = [*sandbox_command.command(home, map(Path, self.readable)), *plain]
        try:
            where: tuple[str, int] = await super().start()
            return where
        finally:
            self.cmd = plain

    async def stop(self, now: bool = False) -> None:
        """End the whole session: to end bubblewrap alone would leave the server behind it running."""
        self._session = self.pid
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal_all(number)
            until = time.monotonic() + PATIENCE
            while self._signal_all(0) and time.monotonic() < until:
                await self.poll()  # takes note of its end
                await asyncio.sleep(0.1)
        await self.poll()

    def _signal_all(self, number: int) -> bool:
        """Whether there was anybody to signal."""
        if not self._session:  # 0 would be the hub's own
            return False
        try:
            os.killpg(self._session, number)
        except ProcessLookupError:
            return False
        return True
