"""Notebooks run for tests, in a kernel of their own."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

from nbclient import NotebookClient


class Client(NotebookClient):
    """An nbclient that polls for replies each second: now and then pyzmq misses one and sleeps until its timeout."""

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        get_msg = client.shell_channel.get_msg

        async def looking(timeout: float | None = None) -> Any:
            until = time.monotonic() + (float("inf") if timeout is None else timeout)
            while True:
                try:
                    return await get_msg(timeout=max(0.0, min(1.0, until - time.monotonic())))
                except Empty:
                    if time.monotonic() >= until:
                        raise

        client.shell_channel.get_msg = looking
        return client
