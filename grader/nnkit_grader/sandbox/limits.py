"""What one submission may use."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

GIB = 2**30
MIB = 2**20
BUSY = 300.0
"""Seconds, at most, that a submission may wait for a busy machine without losing time of its own."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one child process. JAX needs about 1.5 GiB of address space, NumPy and matplotlib 256 MiB."""

    memory: int = 4 * GIB
    """Bytes of address space (RLIMIT_AS)."""
    cpu: int = 120
    """Seconds of computing time, of all threads together."""
    files: int = 64
    """Open files at a time."""
    file_size: int = 16 * MIB
    """Bytes of any one file."""
    disk: int = 64 * MIB
    """Bytes of all files together."""
    threads: int = 64
    """Threads and processes at a time, its own among them."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"The limit {name} is a whole number from 1 on, not {value!r}.")

    @property
    def entries(self) -> int:
        """Files and folders at a time: as many as would fill `disk` with 16 KiB each."""
        return max(self.disk // 2**14, 16)

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Limits:
        """Raises `TypeError` for a name that is no limit, `ValueError` for a value that is none."""
        return cls(**data)
