"""Limits on the resources of one submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

GIB = 2**30
MIB = 2**20
MAX_BUSY_SECONDS = 300.0
"""Time that a submission may wait for a busy machine without losing time of its own."""


@dataclass(frozen=True)
class Limits:
    """Limits of one child process. JAX needs about 1.5 GiB of address space, NumPy and matplotlib 256 MiB."""

    memory: int = 4 * GIB
    """Address space in bytes (RLIMIT_AS)."""
    resident: int = 4 * GIB
    """Memory in bytes; watched from outside."""
    cpu: int = 120
    """Computing time of all threads together, in seconds."""
    files: int = 64
    """Number of open files."""
    file_size: int = 16 * MIB
    """Size of any one file in bytes."""
    disk: int = 64 * MIB
    """Size of all files together in bytes."""
    threads: int = 64
    """Number of threads, the first one included."""
    turn: int = 500
    """Computing time in milliseconds after which it leaves the machine to others: most likely it is in a loop."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"The limit {name} must be a whole number from 1 on, not {value!r}.")

    def make_room(self, files: Mapping[str, bytes]) -> Limits:
        """Return these limits for a process that gets files of the course besides its own."""
        sizes = [len(content) for content in files.values()]
        return replace(self, file_size=max(self.file_size, *sizes, 1), disk=self.disk + sum(sizes))

    @property
    def entries(self) -> int:
        """Number of files and folders: as many as fill `disk` with 16 KiB each."""
        return max(self.disk // 2**14, 16)

    def to_json(self) -> dict[str, int]:
        """Return the limits as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Limits:
        """Return the limits that `to_json` wrote. Raises TypeError for an unknown name, ValueError for a bad value."""
        return cls(**data)
