"""Spawner of the demo hub: servers of learners and the TA run in a sandbox, that of the course's account does not.

The course's account needs none, because its own folder is the only thing worth protecting; and it builds sandboxes
itself when it grades.
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
from nnkit_hub.roles import get_course_account

MAX_SERVER_STOP_SECONDS = 10.0
"""Time for a server to end after each signal."""


class DemoSpawner(SimpleLocalProcessSpawner):  # type: ignore[misc]
    """A process of the hub's own user, in its own session."""

    cmd: Any
    sandboxed: Any = Bool().tag(config=True)
    readable: Any = List(help="Folders that a server can read besides its home and Python.").tag(config=True)
    _session = 0

    async def start(self) -> tuple[str, int]:
        """Start the server, in a sandbox if one is wanted."""
        home = Path(self.home_dir)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        plain: list[str] = list(self.cmd)
        if os.geteuid() == 0:
            self.args = ["--allow-root"]
        if self.sandboxed and self.user.name != get_course_account(COURSE):
            self.cmd = [*sandbox_command.build_command(home, map(Path, self.readable)), *plain]
        try:
            where: tuple[str, int] = await super().start()
            return where
        finally:
            self.cmd = plain

    async def stop(self, now: bool = False) -> None:
        """End the whole session: ending only bubblewrap would leave the server in the sandbox running."""
        self._session = self.pid
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal_session(number)
            until = time.monotonic() + MAX_SERVER_STOP_SECONDS
            while self._signal_session(0) and time.monotonic() < until:
                await self.poll()  # reaps the process
                await asyncio.sleep(0.1)
        await self.poll()

    def _signal_session(self, number: int) -> bool:
        """Send a signal to the session; return False if it has ended."""
        if not self._session:  # 0 would signal the hub's own session
            return False
        try:
            os.killpg(self._session, number)
        except ProcessLookupError:
            return False
        return True
