"""The mutation test of the test suite: plant one fault at a time in a copy of this repository, and see if a test fails.

    python benchmarks/planted_faults.py [--only ID|AREA ...] [--jobs N] [--results FILE] [--before FILE]

The faults are in `benchmarks/faults/AREA.toml`: what is broken, the file, the text that is replaced, the text that
replaces it, and the tests that should notice. A fault is *caught* if one of these tests fails with the fault and passes
without it. The copy has its own virtual environment, made of hard links, so that console scripts, sandboxes and
workers import the copy of each package as well. For Python and the console script this is verified before the first
fault is planted.

The last line of output is JSON. The exit status is 1 if a fault survived that has no `survives` entry (the reason why
no test notices it), if one could not be tried, or, with --before, if one is no longer caught.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
TABLES = Path(__file__).resolve().parent / "faults"
PACKAGES = ("nnkit", "grader/nnkit_grader", "hub/nnkit_hub")
"""Folders of the packages, each of a distribution of its own."""
SECONDS = 900.0
"""Time limit of one selection of tests."""
STATUSES = ("caught", "survived", "timeout", "broken", "does not apply")
"""Outcomes: `broken` means that the tests fail without the fault too."""


@dataclass(frozen=True)
class Fault:
    """One row of a table."""

    id: str
    area: str
    breaks: str
    """What is broken, in one sentence."""
    path: str
    """The file, relative to the root of the repository."""
    old: str
    """Text that occurs once in this file."""
    new: str
    tests: tuple[str, ...]
    """Arguments for pytest: files, and perhaps -k EXPRESSION."""
    survives: str = ""
    """Why no test notices this fault; empty if one should."""


@dataclass(frozen=True)
class Outcome:
    """The result of trying one fault."""

    id: str
    area: str
    status: str
    seconds: float = 0.0
    note: str = ""
    """The first test that failed, or what went wrong."""


class DoesNotApply(ValueError):
    """The text that a fault replaces is not found exactly once."""


def read_faults(folder: Path = TABLES) -> list[Fault]:
    """Return the faults of all tables, area by area."""
    found = []
    for table in sorted(folder.glob("*.toml")):
        for row in tomllib.loads(table.read_text(encoding="utf-8"))["fault"]:
            found.append(Fault(**{**row, "area": table.stem, "tests": tuple(row["tests"])}))
    return found


def choose_faults(faults: Sequence[Fault], wanted: Sequence[str]) -> list[Fault]:
    """Return the faults with these ids or areas, all if none is named. Raise ValueError for an unknown name."""
    known = {name for fault in faults for name in (fault.id, fault.area)}
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"there is no fault and no area called {', '.join(unknown)}")
    return [fault for fault in faults if not wanted or fault.id in wanted or fault.area in wanted]


def faulty_text(fault: Fault, text: str) -> str:
    """Return the file's text with the fault in it. Raise DoesNotApply if the old text does not occur exactly once."""
    if (count := text.count(fault.old)) != 1:
        raise DoesNotApply(f"the old text occurs {count} times in {fault.path}")
    return text.replace(fault.old, fault.new)


# ---- the copy ---------------------------------------------------------------------------------------


def copy_repository(to: Path) -> None:
    """Copy the tracked and untracked files that git does not ignore, as a repository, and the virtual environment."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name, follow_symlinks=False)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "copy"]):
        who = ["-c", "user.name=copy", "-c", "user.email=copy@localhost"]
        subprocess.run(["git", *who, *command], cwd=to, check=True, capture_output=True)
    _copy_environment(Path(sys.prefix), to / ".venv", to)


def _copy_environment(source: Path, to: Path, root: Path) -> None:
    """Copy a virtual environment with hard links, and let it point to the copy of the repository."""
    shutil.copytree(source, to, symlinks=True, copy_function=_link)
    libraries = to.glob("lib/python*/site-packages")
    small = [
        path for library in libraries for pattern in ("*.pth", "__editable__*.py") for path in library.glob(pattern)
    ]
    for path in [*small, to / "pyvenv.cfg", *to.glob("bin/*"), *to.glob("share/jupyter/kernels/*/kernel.json")]:
        with contextlib.suppress(UnicodeDecodeError, IsADirectoryError):
            if not path.is_symlink():
                _rewrite(path, {str(source): str(to), str(ROOT): str(root)})


def _link(source: str, to: str) -> None:
    try:
        os.link(source, to)
    except OSError:  # another file system
        shutil.copy2(source, to)


def _rewrite(path: Path, replacements: dict[str, str]) -> None:
    """Replace the file by one of its own: the hard link leads to the original."""
    text, mode = path.read_text(encoding="utf-8"), path.stat().st_mode
    changed = text
    for old, new in replacements.items():
        changed = changed.replace(old, new)
    if changed != text:
        path.unlink()
        path.write_text(changed, encoding="utf-8")
        path.chmod(mode)


def require_own_imports(root: Path) -> None:
    """Raise RuntimeError unless Python and the console script of the copy import its packages, from any folder."""
    bin = root / ".venv" / "bin"
    for folder in PACKAGES:
        package, token = root / folder / "__init__.py", f"planted-{uuid.uuid4().hex}"
        original = package.read_text(encoding="utf-8")
        # The console script imports all packages, to collect their verbs.
        commands = ([str(bin / "python"), "-I", "-c", f"import {package.parent.name}"], [str(bin / "nnkit"), "--help"])
        _write_source(package, f"{original}\nraise SystemExit({token!r})\n")
        try:
            for command in commands:
                done = subprocess.run(
                    command, cwd="/", env=_environment(root), capture_output=True, text=True, check=False
                )
                if token not in done.stderr:
                    raise RuntimeError(f"{' '.join(command)} does not import the copy in {root}: {done.stderr[-300:]}")
        finally:
            _write_source(package, original)


def _environment(root: Path) -> dict[str, str]:
    bin = root / ".venv" / "bin"
    left_out = {"PYTHONPATH", "PYTHONHOME", "PYTEST_ADDOPTS"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    path = os.pathsep.join([str(bin), os.environ.get("PATH", "")]) if bin.is_dir() else os.environ.get("PATH", "")
    return {**kept, "PATH": path, **({"VIRTUAL_ENV": str(bin.parent)} if bin.is_dir() else {})}


# ---- one fault --------------------------------------------------------------------------------------


@contextlib.contextmanager
def planted(fault: Fault, root: Path) -> Iterator[None]:
    """Context manager that plants a fault in a copy, and takes it out again. Raises DoesNotApply."""
    path = root / fault.path
    original = path.read_text(encoding="utf-8") if path.is_file() else ""
    faulty = faulty_text(fault, original)
    try:
        _write_source(path, faulty)
        yield
    finally:
        _write_source(path, original)


def _write_source(path: Path, text: str) -> None:
    """Write a file and remove its compiled form: Python looks at size and time only, and these may be the same."""
    path.write_text(text, encoding="utf-8")
    if path.suffix == ".py":
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def try_fault(fault: Fault, root: Path, seconds: float = SECONDS, all_tests: bool = False) -> Outcome:
    """Run the fault's tests with it. The outcome `caught` holds if `unconfirmed` does not return it."""
    began = time.monotonic()

    def outcome(status: str, note: str = "") -> Outcome:
        return Outcome(fault.id, fault.area, status, round(time.monotonic() - began, 1), note)

    with tempfile.TemporaryDirectory() as cache:
        tests = ["tests"] if all_tests else list(fault.tests)
        try:
            with planted(fault, root):
                code = run_pytest(root, Path(cache), ["-x", *tests], seconds)
        except DoesNotApply as reason:
            return outcome("does not apply", str(reason))
        if code is None:
            return outcome("timeout")
        if code == 0:
            return outcome("survived")
        failed = next(iter(_read_failed(Path(cache))), "")
        return outcome("caught" if failed else "broken", failed or f"pytest ends with {code}, and no test failed")


def unconfirmed(outcomes: Sequence[Outcome], root: Path, seconds: float = SECONDS) -> list[Outcome]:
    """Run the tests that caught faults again, without any fault; return the outcomes of those that fail here too."""
    caught = [one for one in outcomes if one.status == "caught"]
    if not caught:
        return []
    with tempfile.TemporaryDirectory() as cache:
        _failed_file(Path(cache)).parent.mkdir(parents=True)
        _failed_file(Path(cache)).write_text(json.dumps({one.note: True for one in caught}))
        files = sorted({one.note.partition("::")[0] for one in caught})
        code = run_pytest(root, Path(cache), ["--last-failed", *files], seconds)
        failed = [] if code == 0 else _read_failed(Path(cache))
    return [replace(one, status="broken") for one in caught if one.note in failed]


def run_pytest(root: Path, cache: Path, arguments: Sequence[str], seconds: float) -> int | None:
    """Return the exit status of pytest in a copy, None after the time limit; `cache` gets the tests that failed."""
    own = root / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    command = [python, "-m", "pytest", "-q", "-o", "addopts=", "-o", f"cache_dir={cache}", *arguments]
    process = subprocess.Popen(
        command, cwd=root, env=_environment(root), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _failed_file(cache: Path) -> Path:
    return cache / "v" / "cache" / "lastfailed"


def _read_failed(cache: Path) -> list[str]:
    path = _failed_file(cache)
    return list(json.loads(path.read_text())) if path.exists() else []


# ---- all of them ------------------------------------------------------------------------------------


def try_all(faults: Sequence[Fault], jobs: int, seconds: float, all_tests: bool) -> Iterator[Outcome]:
    """Try each fault in one of as many copies as there are jobs; yield outcomes as they come, area by area.

    An outcome that is not confirmed comes a second time, as `broken`.
    """
    with tempfile.TemporaryDirectory(prefix="nnkit-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # sandboxes run as other users
        copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(jobs):
            root = Path(folder, str(number))
            root.mkdir()
            copy_repository(root)
            require_own_imports(root)
            copies.put(root)

        def in_some_copy(work: Callable[[Path], T]) -> T:
            root = copies.get()
            try:
                return work(root)
            finally:
                copies.put(root)

        with ThreadPoolExecutor(jobs) as executor:
            for _, same in groupby(faults, key=lambda fault: fault.area):
                tasks = [partial(try_fault, fault, seconds=seconds, all_tests=all_tests) for fault in same]
                found = []
                for one in executor.map(in_some_copy, tasks):
                    found.append(one)
                    yield one
                yield from in_some_copy(partial(unconfirmed, found, seconds=seconds))


def summarise(faults: Sequence[Fault], outcomes: Sequence[Outcome], before: Iterable[Outcome]) -> dict[str, object]:
    """Return the numbers of the last line: counts, the ids of what was not caught, and `lost`, caught before only."""
    ids = {status: [one.id for one in outcomes if one.status == status] for status in STATUSES}
    expected = {fault.id for fault in faults if fault.survives}
    tried, caught = {one.id for one in outcomes}, set(ids["caught"])
    return {
        "faults": len(outcomes),
        "caught": len(caught),
        **{status: ids[status] for status in STATUSES[1:]},
        "unexpected": [one.id for one in outcomes if one.status == "survived" and one.id not in expected],
        "lost": [one.id for one in before if one.status == "caught" and one.id in tried - caught],
    }


def read_results(path: Path) -> list[Outcome]:
    """Return the outcomes in a file that `write_results` wrote."""
    return [Outcome(**one) for one in json.loads(path.read_text(encoding="utf-8"))["outcomes"]]


def write_results(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write outcomes to a file, in which those of other faults stay."""
    new = {one.id: one for one in outcomes}
    old = {one.id: one for one in read_results(path)} if path.exists() else {}
    listed = [asdict(one) for one in {**old, **new}.values()]
    path.write_text(json.dumps({"outcomes": listed}, indent=1) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", default=[], metavar="ID|AREA", help="may be given more than once")
    parser.add_argument("--list", action="store_true", help="print the faults and end")
    parser.add_argument("--all-tests", action="store_true", help="run the whole suite for each fault")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="faults at a time, each in a copy of its own")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time limit for the tests of one fault")
    parser.add_argument("--results", type=Path, metavar="FILE", help="write the outcomes to this file as they come")
    parser.add_argument("--before", type=Path, metavar="FILE", help="results of an earlier run to compare with")
    args = parser.parse_args(argv)
    try:
        faults = choose_faults(read_faults(), args.only)
        before = read_results(args.before) if args.before else []
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if args.list:
        for fault in faults:
            print(f"{fault.area:<16} {fault.id:<32} {fault.breaks}{'  (survives)' if fault.survives else ''}")
        return 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of `&` ignores it, and so would the tests
    began, outcomes = time.monotonic(), {}
    for one in try_all(faults, args.jobs, args.seconds, args.all_tests):
        outcomes[one.id] = one
        print(f"{one.status:<15} {one.area:<16} {one.id:<32} {one.seconds:6.1f} s  {one.note}", flush=True)
        if args.results:
            write_results(args.results, [one])
    figures = summarise(faults, list(outcomes.values()), before)
    print(json.dumps({**figures, "seconds": round(time.monotonic() - began, 1)}))
    wrong = ("unexpected", "timeout", "broken", "does not apply", "lost")
    return 1 if any(figures[name] for name in wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
