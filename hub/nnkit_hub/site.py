"""What there is to say about a hub, in one place: its folders, its courses, its addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PORTS = {"public": 8000, "proxy": 8001, "hub": 8081, "exchange": 8082}
"""On this machine; the pages of the courses have those after the exchange's."""


@dataclass(frozen=True)
class Site:
    """A hub on one machine."""

    folder: Path
    """What the hub itself keeps: its database, its secrets, the settings of servers, the exchange."""
    courses: Mapping[str, Path]
    """Name → course folder, which belongs to the course's account."""
    roster: Path
    """`course,user,role`, a line each."""
    proxy: tuple[str, ...]
    """The command that starts configurable-http-proxy."""
    exchange: Path
    """What learners handed in; only the exchange's own user should be able to enter it."""
    lectures: Path | None = None
    """What every learner gets a copy of."""
    ip: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=lambda: dict(PORTS))
    unix_users: bool = False
    """Whether services run as Unix users of their own: nnkit-exchange, and each course's account."""
    idle: int = 3600
    """Seconds after which a server that nobody uses is stopped."""

    def port(self, name: str) -> int:
        """Of a service of this name, on the loopback interface."""
        pages = [f"course-{course}" for course in self.courses]
        return self.ports[name] if name in self.ports else self.ports["exchange"] + 1 + pages.index(name)

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port(name)}"

    @property
    def settings(self) -> Path:
        """The settings of servers; every user may read them."""
        return self.folder / "settings"
