"""A file is replaced whole, with the permissions that it should have, on every system that Python runs on."""

from __future__ import annotations

import errno
import os
import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nnkit.atomic_files import open_replacement, replace_file, sync_folder
from nnkit.train.checkpoints import TrainingState, load_checkpoint, save_checkpoint
from nnkit.train.history import History


def permissions(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A path in an empty folder, in which nothing unfinished may be left."""
    yield tmp_path / "file"
    assert not list(tmp_path.glob(".new-*"))


@pytest.mark.parametrize(("umask", "wanted"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_what_the_umask_allows_or_the_ones_asked_for(file: Path, umask: int, wanted: int) -> None:
    before = os.umask(umask)
    try:
        replace_file(file, "text")
        assert permissions(file) == wanted
        for mode in (0o600, 0o664, 0o444):
            replace_file(file, "text", mode)
            assert permissions(file) == mode
    finally:
        os.umask(before)


def test_a_private_file_is_private_while_it_is_written(file: Path) -> None:
    with open_replacement(file, mode=0o600) as fresh:
        fresh.write(b"secret")
        assert permissions(Path(fresh.name)) == 0o600


def fail_while_writing(path: Path, error: BaseException, remove: bool = False) -> None:
    with open_replacement(path) as fresh:
        fresh.write(b"new")
        if remove:
            Path(fresh.name).unlink()
        raise error


def test_an_interrupted_replacement_leaves_the_old_file(file: Path) -> None:
    replace_file(file, "old")
    with pytest.raises(KeyboardInterrupt):
        fail_while_writing(file, KeyboardInterrupt())
    assert file.read_text() == "old"


def test_an_error_is_raised_even_if_the_unfinished_file_is_gone(file: Path) -> None:
    with pytest.raises(ValueError, match="the cause"):
        fail_while_writing(file, ValueError("the cause"), remove=True)
    assert not file.exists()


@pytest.mark.parametrize("private", [False, True])
def test_a_system_like_windows_has_neither_fchmod_nor_open_folders(
    file: Path, monkeypatch: pytest.MonkeyPatch, private: bool
) -> None:
    opened = os.open

    def open_files_only(path: str | Path, *arguments: int) -> int:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments)

    monkeypatch.delattr(os, "fchmod")
    monkeypatch.setattr(os, "open", open_files_only)
    replace_file(file, "text", 0o600 if private else None)
    assert file.read_text() == "text"
    state = TrainingState({"W": np.arange(3.0)}, {})
    save_checkpoint(file, state, History(), {})
    assert np.array_equal(load_checkpoint(file, state, {})[0].parameters["W"], state.parameters["W"])


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_permissions_or_synced_folders_loses_no_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    synced = os.fsync

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    def sync_files_only(handle: int) -> None:
        return fail() if stat.S_ISDIR(os.fstat(handle).st_mode) else synced(handle)

    monkeypatch.setattr(os, "fchmod", fail)
    monkeypatch.setattr(os, "fsync", sync_files_only)
    replace_file(file, "text", 0o600)
    assert file.read_text() == "text"


def test_a_disk_that_fails_is_reported(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        replace_file(file, "text")
    assert not file.exists()
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(file.parent)


def test_saving_a_checkpoint_does_not_hold_the_file_in_memory(file: Path) -> None:
    state = TrainingState({"W": np.zeros(4_000_000)}, {})
    tracemalloc.start()
    try:
        save_checkpoint(file, state, History(), {})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.stat().st_size > state.parameters["W"].nbytes
    assert peak < state.parameters["W"].nbytes
