"""The paths that a submission may see (Python, the libraries, nnkit), and its environment variables."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import nnkit
import nnkit_grader

PACKAGES = tuple(Path(package.__path__[0]) for package in (nnkit, nnkit_grader))
"""The only folders of the course that are visible, even if the packages are installed from folders that hold more."""

_PREFIX_PATHS = ("bin", "lib", "lib64", "share", "pyvenv.cfg")
# Not its etc/ and not the whole prefix: a hub keeps nbgrader's configuration there, with the gradebook's password.
_SYSTEM_PATHS = (
    "/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/share", "/usr/local/lib",
    "/usr/local/share/fonts", "/bin", "/lib", "/lib32", "/lib64", "/nix/store",
    "/sys/devices/system/cpu", "/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime",
)  # fmt: skip
DEVICES = tuple(Path("/dev", name) for name in ("null", "zero", "full", "random", "urandom"))
MACHINE_INFO = (Path("/proc/cpuinfo"), Path("/proc/meminfo"))
"""Files that numerical libraries read to find the number of processors."""


def list_library_folders() -> list[str]:
    """Return the folders of installed packages, the user's own included."""
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


def list_import_roots() -> list[Path]:
    """Return the folders from which the course's packages are imported."""
    return sorted({package.parent for package in PACKAGES})


def list_readable() -> list[Path]:
    """Return the files and folders that a submission may read, each also under the path that its links lead to."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    named = [Path(prefix, part) for prefix in (sys.base_prefix, sys.prefix) for part in _PREFIX_PATHS]
    named += [Path(path) for path in (*list_library_folders(), *installed, *_SYSTEM_PATHS)]
    named += [*PACKAGES, Path(os.path.realpath(sys.executable))]
    paths = {path for name in named if name.exists() for path in (name.absolute(), name.resolve())}
    return sorted(path for path in paths if not paths & set(path.parents))


def are_reachable_by_all(paths: list[Path]) -> bool:
    """Return whether a user without any rights can reach all of these paths."""
    return all(folder.stat().st_mode & 0o001 for path in paths for folder in path.parents)


def list_links(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield those of the paths that are links (/lib → usr/lib), with their targets."""
    return ((path, os.readlink(path)) for path in paths if path.is_symlink())


def make_environment(home: Path) -> dict[str, str]:
    """Return all environment variables of a sandboxed process whose home is `home`."""
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
        "NBGRADER_EXECUTION": "autograde",  # as nbgrader's kernel has it
        **kept,
    }
