"""The exchange as a service that a JupyterHub starts: `python -m nnkit_hub.exchange --folder FOLDER`.

The hub's address, the service's token and its own address come from the environment, as for any hub service:
JUPYTERHUB_API_URL, JUPYTERHUB_API_TOKEN, JUPYTERHUB_SERVICE_URL, JUPYTERHUB_SERVICE_PREFIX.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from nnkit_hub.exchange.service import MAX_REQUEST_BYTES, create_auth, create_exchange_application
from nnkit_hub.exchange.shares import ExchangeServer
from nnkit_hub.exchange.store import Store, StoreLocked

log = logging.getLogger("nnkit.exchange")
MAX_UPLOAD_SECONDS = 600.0
"""Time for a request to arrive."""
MAX_CLOSE_SECONDS = 5.0
"""Time for open connections to close."""


async def serve_exchange(store: Store, address: str, prefix: str) -> None:
    """Serve until SIGTERM or SIGINT, or until the hub that started this process has ended."""
    where = urlsplit(address)
    application = create_exchange_application(prefix, store, create_auth())
    server = ExchangeServer(application, max_body_size=MAX_REQUEST_BYTES, body_timeout=MAX_UPLOAD_SECONDS)
    application.settings["server"] = server
    server.listen(where.port or 80, where.hostname or "127.0.0.1")
    log.info("the exchange listens on %s%s", address.rstrip("/"), prefix)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    parent = os.getppid()
    # A killed hub leaves its services behind, and the next hub could not start its own.
    while not ended.is_set() and os.getppid() == parent:
        await asyncio.sleep(0.2)
    server.stop()
    # Waiting clients see the connection end, and try again; uploads that are complete by now are kept.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.close_all_connections(), MAX_CLOSE_SECONDS)


def main() -> int:
    """Run the service; if it cannot start, print one sentence and return 1."""
    parser = argparse.ArgumentParser(prog="python -m nnkit_hub.exchange", description=__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        required=True,
        help="folder for all files of the exchange; no other user should have access",
    )
    folder = parser.parse_args().folder
    logging.basicConfig(level=logging.INFO, format="[%(levelname)s %(asctime)s exchange] %(message)s")
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        address, prefix = os.environ["JUPYTERHUB_SERVICE_URL"], os.environ["JUPYTERHUB_SERVICE_PREFIX"]
        asyncio.run(serve_exchange(Store(folder.absolute()), address, prefix.rstrip("/") + "/"))
    except KeyError as missing:
        print(f"{missing.args[0]} is not set: a JupyterHub has to start the exchange.", file=sys.stderr)
        return 1
    except (StoreLocked, OSError) as fault:
        print(f"The exchange cannot start: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
