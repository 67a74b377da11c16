"""What a submission may see of the machine: Python, the libraries, nnkit; and its environment."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import nnkit
import nnkit_grader

PACKAGES = tuple(Path(package.__path__[0]) for package in (nnkit, nnkit_grader))
"""All that is visible of the course, also where the packages are installed from folders that hold much more."""

_OF_A_PREFIX = ("bin", "lib", "lib64", "share", "pyvenv.cfg")
# Not its etc/ and not the whole prefix: a hub keeps nbgrader's configuration there, with the gradebook's password.
_OF_THE_SYSTEM = (
    "/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/share", "/usr/local/lib",
    "/usr/local/share/fonts", "/bin", "/lib", "/lib32", "/lib64", "/nix/store",
    "/sys/devices/system/cpu", "/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime",
)  # fmt: skip
DEVICES = tuple(Path("/dev", name) for name in ("null", "zero", "full", "random", "urandom"))
ABOUT_THE_MACHINE = (Path("/proc/cpuinfo"), Path("/proc/meminfo"))
"""Read by numerical libraries to see how many processors there are."""


def libraries() -> list[str]:
    """Folders of installed packages, the user's own among them."""
    return [place for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]


def import_roots() -> list[Path]:
    """Return the folders from which the course's packages are imported."""
    return sorted({package.parent for package in PACKAGES})


def readable() -> list[Path]:
    """Files and folders that a submission may read, each also under the name that its links lead to."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    named = [Path(prefix, part) for prefix in (sys.base_prefix, sys.prefix) for part in _OF_A_PREFIX]
    named += [Path(place) for place in (*libraries(), *installed, *_OF_THE_SYSTEM)]
    named += [*PACKAGES, Path(os.path.realpath(sys.executable))]
    places = {place for name in named if name.exists() for place in (name.absolute(), name.resolve())}
    return sorted(place for place in places if not places & set(place.parents))


def reachable_by_all(places: list[Path]) -> bool:
    """Whether a user without any right of their own gets to all of `places`."""
    return all(folder.stat().st_mode & 0o001 for place in places for folder in place.parents)


def top_links(places: list[Path]) -> Iterator[tuple[Path, str]]:
    """Those of `places` that are links (/lib → usr/lib), and where they lead."""
    return ((place, os.readlink(place)) for place in places if place.is_symlink())


def environment(home: Path) -> dict[str, str]:
    """All environment variables of a process whose home is `home`."""
    kept = {name: os.environ[name] for name in ("NNKIT_CHECK_SECONDS", "JAX_ENABLE_X64") if name in os.environ}
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": str(home),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "JAX_PLATFORMS": "cpu",
        "PYTHONDONTWRITEBYTECODE": "1",
        **kept,
    }
