"""Facts about a hub in one place: its folders, courses and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nnkit_hub.roles import DEFAULT_CONTACT

DEFAULT_PORTS = {"public": 8000, "proxy": 8001, "hub": 8081, "exchange": 8082}
"""Ports on this machine; the course pages use those after the exchange's."""


@dataclass(frozen=True)
class Site:
    """The settings of a hub on one machine."""

    folder: Path
    """The hub's own files: its database, its secrets, the settings of servers."""
    courses: Mapping[str, Path]
    """Name → course folder, which belongs to the course's account."""
    roster: Path
    """File with a line `course,user,role` for each member."""
    proxy: tuple[str, ...]
    """Command that starts configurable-http-proxy."""
    exchange: Path
    """Folder of the exchange; only the exchange's own user should be able to enter it."""
    lectures: Path | None = None
    """Folder that every learner gets a copy of."""
    ip: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_PORTS))
    unix_users: bool = False
    """True if each service runs as its own Unix user: nnkit-exchange, and each course's account."""
    contact: str = DEFAULT_CONTACT
    """Name or address of the person to ask when the hub refuses someone."""
    idle_seconds: int = 3600
    """Time after which an idle server is stopped."""
    max_age_seconds: int = 7 * 86400
    """Time after which any server is stopped."""

    def get_port(self, name: str) -> int:
        """Return the port of a service on the loopback interface."""
        pages = [f"course-{course}" for course in self.courses]
        return self.ports[name] if name in self.ports else self.ports["exchange"] + 1 + pages.index(name)

    def get_address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.get_port(name)}"

    @property
    def settings(self) -> Path:
        """The folder of servers' settings, readable for every user."""
        return self.folder / "settings"
