"""The services of a hub that starts them itself: the exchange, and a page for each course."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnkit_hub.roles import EXCHANGE, page


def services(
    courses: Mapping[str, Path], exchange: Path, address: Callable[[str], str], users: Mapping[str, str]
) -> list[dict[str, Any]]:
    """For `c.JupyterHub.services`: `address` of each by its name; `users` are the Unix users of those that have one.

    `courses`: name → folder; `exchange`: the exchange's folder. People see a course's page in the hub's menu, if they
    may open it.
    """
    modules = {EXCHANGE: ["nnkit_hub.exchange", "--folder", str(exchange)]}
    for course, folder in courses.items():
        modules[page(course)] = ["nnkit_hub.course_page", "--course", course, "--folder", str(folder)]
    return [
        {
            "name": name,
            "url": address(name),
            "command": tied(module),
            "display": name != EXCHANGE,
            "oauth_no_confirm": True,  # it is part of this hub, and asks for nothing but the name and groups
            **({"user": users[name]} if name in users else {}),
        }
        for name, module in modules.items()
    ]


def tied(module: list[str]) -> list[str]:
    """The command that runs a module, with its arguments, for as long as the hub runs."""
    return [sys.executable, "-m", "nnkit_hub.die_with_parent", sys.executable, "-m", *module]
