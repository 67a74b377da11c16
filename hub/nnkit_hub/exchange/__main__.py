"""The exchange, as a service that a JupyterHub starts: `python -m nnkit_hub.exchange --folder FOLDER`.

The hub's address, its own token and where to listen come from the environment, as for any service of the hub:
JUPYTERHUB_API_URL, JUPYTERHUB_API_TOKEN, JUPYTERHUB_SERVICE_URL, JUPYTERHUB_SERVICE_PREFIX.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer

from nnkit_hub.exchange.service import MOST, application, doorkeeper
from nnkit_hub.exchange.store import Busy, Store

log = logging.getLogger("nnkit.exchange")
UPLOAD = 600.0
"""Seconds within which a request has to arrive."""
ENDING = 5.0
"""Seconds for open connections to close."""


async def serve(store: Store, address: str, prefix: str) -> None:
    """Answer until SIGTERM or SIGINT, or until the hub that started this process has ended."""
    where = urlsplit(address)
    server = HTTPServer(application(prefix, store, doorkeeper()), max_body_size=MOST, body_timeout=UPLOAD)
    server.listen(where.port or 80, where.hostname or "127.0.0.1")
    log.info("the exchange listens on %s%s", address.rstrip("/"), prefix)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    parent = os.getppid()
    # A hub that is killed leaves its services behind, and the next hub's could not start.
    while not ended.is_set() and os.getppid() == parent:
        await asyncio.sleep(0.2)
    server.stop()
    # Who still waits sees the connection end, and tries again; what arrived whole by now is kept.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.close_all_connections(), ENDING)


def main() -> int:
    """Run the service; the exit status is 1, after one sentence, where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m nnkit_hub.exchange", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where everything is kept; nobody else may enter it")
    folder = parser.parse_args().folder
    logging.basicConfig(level=logging.INFO, format="[%(levelname)s %(asctime)s exchange] %(message)s")
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    os.umask(0o077)
    try:
        address, prefix = os.environ["JUPYTERHUB_SERVICE_URL"], os.environ["JUPYTERHUB_SERVICE_PREFIX"]
        asyncio.run(serve(Store(folder.absolute()), address, prefix.rstrip("/") + "/"))
    except KeyError as missing:
        print(f"{missing.args[0]} is not set: the exchange is started by a JupyterHub.", file=sys.stderr)
        return 1
    except (Busy, OSError) as fault:
        print(f"The exchange cannot start: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
