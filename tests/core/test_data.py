"""The data sets; CIFAR-10's loading is tested with a small archive in its format, served on localhost over HTTP."""

from __future__ import annotations

import hashlib
import io
import socket
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnkit import data
from nnkit.data import CIFAR10_CLASSES, DataError, cifar10, circles, digits, moons, spiral
from nnkit.mlp import MLP
from nnkit.train import SGD, fit

Rng = np.random.Generator


# -- points ---------------------------------------------------------------------------------------


def test_the_spiral_is_that_of_the_course() -> None:
    x, labels = spiral(100, 3, noise=0.0)
    assert x.shape == (300, 2)
    assert labels.tolist() == [0] * 100 + [1] * 100 + [2] * 100
    for j in range(3):  # as CS231n's notes write it
        r, t = np.linspace(0.0, 1, 100), np.linspace(j * 4, (j + 1) * 4, 100)
        np.testing.assert_allclose(x[100 * j : 100 * (j + 1)], np.c_[r * np.sin(t), r * np.cos(t)], atol=1e-15)


def test_the_points_of_the_course_give_its_49_per_cent() -> None:
    x, labels = spiral(rng=np.random.RandomState(0))
    old = np.random.RandomState(0)
    r, t = np.linspace(0.0, 1, 100), np.linspace(0, 4, 100) + old.randn(100) * 0.2
    np.testing.assert_allclose(x[:100], np.c_[r * np.sin(t), r * np.cos(t)], atol=1e-15)
    model, sgd = MLP((2, 3)), SGD(1.0, weight_decay=1e-3)
    history = fit(model, model.init(0, scale=0.01), x, labels, epochs=200, optimiser=sgd).history
    assert history.train_accuracy[-1] == pytest.approx(0.49, abs=0.01)


@pytest.mark.parametrize("classes", [1, 2, 3, 4, 7])
def test_the_arms_of_a_spiral_do_not_meet(classes: int) -> None:
    x, labels = spiral(50, classes, noise=0.0)
    ends = x[49::50]
    assert len(ends) == classes == labels[-1] + 1
    assert all(np.linalg.norm(ends[i] - ends[j]) > 0.5 for i in range(classes) for j in range(i))


def test_circles_and_moons_without_noise() -> None:
    x, labels = circles(40, noise=0.0, factor=0.3)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), np.where(labels, 0.3, 1.0))
    x, labels = moons(40, noise=0.0)
    np.testing.assert_allclose(np.linalg.norm(x - np.where(labels[:, None], [1.0, 0.5], 0.0), axis=1), 1.0)
    assert (x[labels == 0, 1] >= 0).all()
    assert (x[labels == 1, 1] <= 0.5).all()


@pytest.mark.parametrize("make", [spiral, circles, moons])
def test_points_are_drawn_by_the_generator_that_is_given(make: Callable[..., Any]) -> None:
    (x, labels), (again, _), (other, _) = make(), make(rng=np.random.default_rng(0)), make(rng=1)
    assert np.array_equal(x, again)
    assert not np.array_equal(x, other)
    assert x.dtype == float
    assert labels.dtype.kind == "i"
    assert len(x) == len(labels) == 100 * (labels.max() + 1)
    generator = np.random.default_rng(0)
    assert not np.array_equal(make(rng=generator)[0], make(rng=generator)[0])
    with pytest.raises(ValueError, match="points must be a positive integer, not 0"):
        make(0)


@pytest.mark.parametrize("make", [circles, moons])
def test_circles_and_moons_can_be_separated_by_a_hidden_layer(make: Callable[..., Any]) -> None:
    x, labels = make()
    model = MLP((2, 20, 2))
    history = fit(model, model.init(0), x, labels, epochs=300, optimiser=SGD(0.5, momentum=0.9)).history
    assert history.train_accuracy[-1] > 0.95


# -- digits ---------------------------------------------------------------------------------------


def test_digits_are_split_and_scaled() -> None:
    split = digits()
    assert split.x_train.shape == (1438, 64)
    assert split.x_test.shape == (359, 64)
    assert split.y_train.shape == (1438,)
    assert (split.x_train.min(), split.x_train.max()) == (0.0, 1.0)
    assert set(split.y_test) == set(range(10))
    assert repr(split) == "Split: x_train (1438, 64), y_train, x_test (359, 64), y_test"


def test_digits_are_those_of_scikit_learn() -> None:
    """As `load_digits` gives them, by three sums; importing it takes longer than all other tests of this file."""
    split = digits()
    pixels = 16 * np.concatenate([split.x_train, split.x_test])
    assert (pixels.shape, pixels.sum(), (pixels * np.arange(64)).sum()) == ((1797, 64), 561718, 17660653)
    counts = np.bincount(np.concatenate([split.y_train, split.y_test]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_all_there_whatever_the_split() -> None:
    def rows(split: Any) -> list[bytes]:
        x, y = np.concatenate([split.x_train, split.x_test]), np.concatenate([split.y_train, split.y_test])
        return sorted(np.c_[x, y][i].tobytes() for i in range(1797))

    assert rows(digits(0)) == rows(digits(1, test_share=0.5))
    assert not np.array_equal(digits(0).x_test, digits(1).x_test)
    assert np.array_equal(digits(3).x_test, digits(np.random.default_rng(3)).x_test)
    for share in (0, 1, -0.2, 20):
        with pytest.raises(ValueError, match="test_share must lie between 0 and 1"):
            digits(test_share=share)


def test_digits_are_learned() -> None:
    x, y, x_test, y_test = digits()
    model = MLP((64, 32, 10))
    parameters = fit(model, model.init(0), x, y, epochs=15, batch_size=32, optimiser=SGD(0.1, momentum=0.9)).parameters
    assert model.accuracy(parameters, x_test, y_test) > 0.93


@pytest.mark.parametrize(
    ("module", "call", "sentence"),
    [
        ("sklearn", digits, r"scikit-learn: pip install 'nnkit\[learn\]'"),
        ("pooch", cifar10, r"pooch: pip install 'nnkit\[learn\]'"),
    ],
)
def test_a_missing_library_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, call: Callable[[], Any], sentence: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=sentence):
        call()


# -- CIFAR-10 -------------------------------------------------------------------------------------

NAMES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def records(count: int, rng: Rng) -> bytes:
    return np.c_[rng.integers(0, 10, count), rng.integers(0, 256, (count, 3072))].astype(np.uint8).tobytes()


def files(count: int = 4) -> dict[str, bytes]:
    """Return the files of the real archive, with `count` images in each instead of 10 000."""
    rng = np.random.default_rng(0)
    return {**{name: records(count, rng) for name in NAMES}, "batches.meta.txt": "\n".join(CIFAR10_CLASSES).encode()}


def archive(contents: dict[str, bytes]) -> bytes:
    """Write a .tar.gz with these files in a folder, which has an entry as in the real archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


class Served:
    """An HTTP server on localhost: its answer, and the number of its requests."""

    def __init__(self) -> None:
        self.content, self.status, self.cut, self.asked = b"", 200, 0, 0
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked += 1
                self.send_response(served.status)
                self.send_header("Content-Length", str(len(served.content)))
                self.end_headers()
                self.wfile.write(served.content[: len(served.content) - served.cut])

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/kriz/cifar-10-binary.tar.gz"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = Served()
    served.content = archive(files())
    thread = threading.Thread(target=served.server.serve_forever, args=(0.02,))
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


def fetch(served: Served, folder: Path, **options: Any) -> data.Split:
    sha256 = hashlib.sha256(served.content).hexdigest()
    return cifar10(folder, **{"url": served.url, "sha256": sha256, "progress": False, **options})


def test_cifar10_is_downloaded_read_and_kept(served: Served, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    split, contents = fetch(served, tmp_path), files()
    raw = np.frombuffer(b"".join(contents[name] for name in NAMES[:5]), np.uint8).reshape(20, 3073)
    assert split.x_train.shape == (20, 3072)
    assert split.x_train.dtype == np.float32
    assert split.y_train.tolist() == raw[:, 0].tolist()
    np.testing.assert_allclose(split.x_train, raw[:, 1:] / 255, rtol=1e-6)
    assert split.x_test.shape == (4, 3072)
    assert split.y_test.tolist() == [contents["test_batch.bin"][3073 * i] for i in range(4)]
    assert fetch(served, tmp_path).y_train.tolist() == split.y_train.tolist()
    assert served.asked == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]
    assert capfd.readouterr() == ("", "")


def test_what_was_downloaded_trains(served: Served, tmp_path: Path) -> None:
    x, y, *_ = fetch(served, tmp_path)
    model = MLP((3072, 10, 10))
    history = fit(model, model.init(0, dtype=x.dtype), x, y, epochs=100, optimiser=SGD(0.01)).history
    assert history.loss[-1] < history.loss[0] / 2


def test_a_bar_shows_how_far_the_download_is(served: Served, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    fetch(served, tmp_path, progress=True)
    assert "100%" in capfd.readouterr().err


def test_the_cache_is_where_the_environment_says(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNKIT_DATA", str(tmp_path / "shared"))
    fetch(served, None)
    assert (tmp_path / "shared" / "cifar-10-binary.tar.gz").exists()
    monkeypatch.delenv("NNKIT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    fetch(served, None)
    assert len(list(tmp_path.rglob("*.tar.gz"))) == 2


def test_a_damaged_file_in_the_cache_is_downloaded_again(served: Served, tmp_path: Path) -> None:
    kept = tmp_path / "cifar-10-binary.tar.gz"
    kept.write_bytes(served.content[:1000])
    assert len(fetch(served, tmp_path).x_train) == 20
    assert kept.read_bytes() == served.content


def test_a_wrong_checksum_is_refused(served: Served, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not the archive of CIFAR-10: its SHA-256 is another") as raised:
        fetch(served, tmp_path, sha256=data.CIFAR10_SHA256)
    assert raised.value.__suppress_context__
    assert list(tmp_path.iterdir()) == []


def test_a_broken_download_is_reported(served: Served, tmp_path: Path) -> None:
    served.cut = 5000
    with pytest.raises(DataError, match=r"Without network, download cifar-10-binary.tar.gz elsewhere and put it in"):
        fetch(served, tmp_path)
    assert list(tmp_path.iterdir()) == []
    served.cut = 0
    assert len(fetch(served, tmp_path).x_train) == 20


def test_without_a_server_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/cifar-10-binary.tar.gz"
    with pytest.raises(DataError) as raised:
        cifar10(tmp_path, url=url)
    assert str(raised.value) == (
        f"CIFAR-10 could not be downloaded from {url} (no connection). Without network, download "
        f"cifar-10-binary.tar.gz elsewhere and put it in {tmp_path}."
    )


def test_a_server_that_does_not_answer_or_has_no_such_file(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.status = 404
    with pytest.raises(DataError, match="the server answered 404"):
        fetch(served, tmp_path)
    monkeypatch.setattr(data, "MAX_SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/cifar-10-binary.tar.gz"
        with pytest.raises(DataError, match="no answer"):
            cifar10(tmp_path, url=url, progress=False)


def test_put_there_by_hand_it_needs_no_network(served: Served, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(served.content)
    assert len(fetch(served, tmp_path).x_train) == 20
    assert served.asked == 0


def _without(name: str) -> bytes:
    return archive({other: content for other, content in files().items() if other != name})


def _with(name: str, content: bytes) -> bytes:
    return archive({**files(), name: content})


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: archive(files())[:-5000], "not a whole archive"),
        (lambda: archive(files())[:20], "not a whole archive"),
        (lambda: b"", "not a whole archive"),
        (lambda: b"<html>Not found</html>", "not a whole archive"),
        (partial(_without, "data_batch_3.bin"), "data_batch_3.bin is missing"),
        (partial(_with, "test_batch.bin", b""), "test_batch.bin has 0 bytes"),
        (partial(_with, "test_batch.bin", bytes(3072)), "test_batch.bin has 3072 bytes, not 3073 for each image"),
        (partial(_with, "data_batch_1.bin", bytes([10]) * 3073), "data_batch_1.bin has a label of 10"),
    ],
)
def test_a_damaged_archive_with_the_right_checksum_is_reported(
    served: Served, tmp_path: Path, make: Callable[[], bytes], sentence: str
) -> None:
    served.content = make()
    with pytest.raises(DataError, match=r"not a whole archive of CIFAR-10 \(.*\): delete it, and try again") as raised:
        fetch(served, tmp_path)
    assert sentence in str(raised.value)
