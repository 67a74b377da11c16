"""The services of a hub that starts them itself: the exchange, and a page for each course."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnkit_hub.roles import DEFAULT_CONTACT, EXCHANGE_SERVICE, get_page_service


def build_services(
    courses: Mapping[str, Path],
    exchange: Path,
    address: Callable[[str], str],
    users: Mapping[str, str],
    contact: str = DEFAULT_CONTACT,
) -> list[dict[str, Any]]:
    """Return the value for `c.JupyterHub.services`.

    `courses`: name → folder; `exchange`: the exchange's folder; `address` returns a service's address by its name;
    `users`: the Unix users of services that have one; `contact`: who helps those who are refused. Users see a course's
    page in the hub's menu if they have access.
    """
    modules = {EXCHANGE_SERVICE: ["nnkit_hub.exchange", "--folder", str(exchange)]}
    page = ["nnkit_hub.course_page", "--contact", contact]
    for course, folder in courses.items():
        modules[get_page_service(course)] = [*page, "--course", course, "--folder", str(folder)]
    return [
        {
            "name": name,
            "url": address(name),
            "command": build_service_command(module),
            "display": name != EXCHANGE_SERVICE,
            "oauth_no_confirm": True,  # it belongs to this hub, and reads only the name and the groups
            **({"user": users[name]} if name in users else {}),
        }
        for name, module in modules.items()
    ]


def build_service_command(module: list[str]) -> list[str]:
    """Return the command that runs a module, with its arguments, and ends when the hub does."""
    return [sys.executable, "-m", "nnkit_hub.die_with_parent", sys.executable, "-m", *module]
