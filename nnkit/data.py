"""Data sets: spirals, circles and moons drawn at random, digits from scikit-learn, and CIFAR-10.

    x, labels = spiral(rng=0)                                        # (300, 2), (300,)
    x_train, y_train, x_test, y_test = digits()                      # offline, 8 × 8 pixels
    x_train, y_train, x_test, y_test = cifar10()                     # 162 MB, downloaded once

Examples are rows: x (N, D) floats, labels (N,) integers from 0. `rng` is a random generator, or the seed of one;
it is 0 by default, so a whole class sees the same points.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MAX_SILENCE_SECONDS = 30.0
"""Longest time without an answer from a server."""

_TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_RECORD_BYTES = 1 + 3 * 32 * 32
_DAMAGE_ERRORS = (tarfile.TarError, OSError, EOFError, zlib.error)

Rng = np.random.Generator | int
Points = tuple[np.ndarray, np.ndarray]


class DataError(OSError):
    """Error for data that cannot be downloaded or is damaged; the message says what to do."""


class Split(NamedTuple):
    """Examples to train on and examples to test with: x (N, D) floats, y (N,) labels."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def __repr__(self) -> str:
        return f"Split: x_train {self.x_train.shape}, y_train, x_test {self.x_test.shape}, y_test"


def spiral(points: int = 100, classes: int = 3, noise: float = 0.2, rng: Rng | np.random.RandomState = 0) -> Points:
    """Draw CS231n's spiral, one arm of `points` points for each class → x (classes · points, 2), labels.

    Point i of arm k lies at radius r = i/(points - 1) and angle 4(k + r) + noise · normal, in radians, as (r sin,
    r cos). More than three arms are spread evenly. A linear classifier gets about half of the three arms right, a
    network with 100 hidden units about 98 %. `rng=np.random.RandomState(0)` draws exactly the points of the notes
    (49.3 % and 98.3 %). Source: CS231n, "Putting it together: minimal neural network case study".
    """
    _require_counts(points=points, classes=classes)
    draw = rng if isinstance(rng, np.random.RandomState) else np.random.default_rng(rng)
    apart = 4.0 if classes <= 3 else 2 * np.pi / classes
    radius = np.tile(np.linspace(0.0, 1.0, points), classes)
    labels = np.repeat(np.arange(classes), points)
    angle = apart * labels + 4 * radius + noise * draw.normal(size=labels.shape)
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), labels


def circles(points: int = 100, noise: float = 0.1, factor: float = 0.5, rng: Rng = 0) -> Points:
    """Draw two rings around the origin, `points` points each: label 0 at radius 1, label 1 at radius `factor`.

    x (2 · points, 2), labels (2 · points,); normal noise on each coordinate.
    """
    _require_counts(points=points)
    angle = np.linspace(0.0, 2 * np.pi, points, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _make_two_classes(ring, factor * ring, noise, rng)


def moons(points: int = 100, noise: float = 0.1, rng: Rng = 0) -> Points:
    """Draw two interleaving half circles, `points` points each: x (2 · points, 2), labels (2 · points,).

    Label 0 is the upper half of the circle around the origin, label 1 the lower half of that around (1, ½).
    """
    _require_counts(points=points)
    angle = np.linspace(0.0, np.pi, points)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _make_two_classes(upper, np.array([1.0, 0.5]) - upper, noise, rng)


def digits(rng: Rng = 0, test_share: float = 0.2) -> Split:
    """Return handwritten digits, shuffled: x (1797, 64) from 0 (paper) to 1 (ink), labels 0 ... 9.

    They come with scikit-learn, so no network is needed. `x[0].reshape(8, 8)` is an image. Source: Alpaydin and
    Kaynak, "Optical recognition of handwritten digits", UCI, 1998.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share must lie between 0 and 1, as 0.2 for a fifth, not {test_share}.")
    rows = np.random.default_rng(rng).permutation(_read_digits())
    x, labels, test = rows[:, :-1] / 16.0, rows[:, -1].astype(int), max(1, round(test_share * len(rows)))
    return Split(x[test:], labels[test:], x[:test], labels[:test])


def _read_digits() -> np.ndarray:
    """Return scikit-learn's table of digits, a row of 64 pixels and a label each.

    The file is read without scikit-learn itself, which would take seconds to import, for SciPy comes with it.
    """
    found = importlib.util.find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise ImportError("The digits come with scikit-learn: pip install 'nnkit[learn]'.")
    path = Path(found.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    return np.loadtxt(path, delimiter=",")


def cifar10(
    folder: str | Path | None = None,
    url: str = CIFAR10_URL,
    sha256: str = CIFAR10_SHA256,
    progress: bool = True,
) -> Split:
    """Return CIFAR-10: 50 000 images to train on and 10 000 to test with, in ten classes (`CIFAR10_CLASSES`).

    x (N, 3072) float32 from 0 to 1, labels (N,). `x[0].reshape(3, 32, 32)` is red, green, blue; for matplotlib,
    `.transpose(1, 2, 0)`. In memory 740 MB. Source: Krizhevsky, "Learning multiple layers of features from tiny
    images", 2009.

    The archive (162 MB) is downloaded once, with a progress bar, checked by its SHA-256, and kept in `folder` (default:
    the folder that the environment variable NNKIT_DATA names, or the user's cache). A damaged file is downloaded again.
    Without a network, put the archive in the folder. Raises DataError, which says what to do.
    """
    folder = Path(folder or os.environ.get("NNKIT_DATA") or _import_pooch().os_cache("nnkit")).expanduser()
    archive = _fetch_archive(url, sha256, folder, progress)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            train = np.concatenate([_read_records(tar, name) for name in _TRAIN_FILES])
            test = _read_records(tar, "test_batch.bin")
    except _DAMAGE_ERRORS as error:
        raise DataError(f"{archive} is not a whole archive of CIFAR-10 ({error}): delete it, and try again.") from None
    return Split(*_examples(train), *_examples(test))


def _fetch_archive(url: str, sha256: str, folder: Path, progress: bool) -> Path:
    """Return the archive's path in the folder; download it unless it is there with the right checksum."""
    pooch, name = _import_pooch(), url.rsplit("/", 1)[-1]
    by_hand = f"Without network, download {name} elsewhere and put it in {folder}."
    download = pooch.HTTPDownloader(progressbar=progress, timeout=MAX_SILENCE_SECONDS)
    try:
        with _silence(pooch.get_logger()):
            return Path(pooch.retrieve(url, f"sha256:{sha256}", name, folder, downloader=download))
    except ValueError:  # pooch's, when the checksum is another
        raise DataError(
            f"What {url} sent is not the archive of CIFAR-10: its SHA-256 is another, so the download broke off or the "
            f"file was changed, and it was not kept. Try again. {by_hand}"
        ) from None
    except OSError as error:  # requests' errors are OSErrors too
        raise DataError(f"CIFAR-10 could not be downloaded from {url} ({_describe_reason(error)}). {by_hand}") from None


def _import_pooch() -> Any:
    try:
        import pooch
    except ImportError:
        raise ImportError("Downloading CIFAR-10 needs pooch: pip install 'nnkit[learn]'.") from None
    return pooch


@contextmanager
def _silence(logger: logging.Logger) -> Iterator[None]:
    """Silence the log in which pooch announces each download: the progress bar is enough."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _describe_reason(error: OSError) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"the server answered {status}"
    words = {"ConnectTimeout": "no answer", "ReadTimeout": "no answer", "ConnectionError": "no connection"}
    return words.get(type(error).__name__) or error.strerror or type(error).__name__


def _read_records(tar: tarfile.TarFile, name: str) -> np.ndarray:
    """Read a file of the binary format: records of one byte of label and 3072 of pixels → (N, 3073) bytes."""
    member = next((m for m in tar.getmembers() if m.isfile() and m.name.rsplit("/", 1)[-1] == name), None)
    file = None if member is None else tar.extractfile(member)
    if file is None:
        raise tarfile.TarError(f"{name} is missing")
    content = file.read()
    if not content or len(content) % _RECORD_BYTES:
        raise tarfile.TarError(f"{name} has {len(content)} bytes, not {_RECORD_BYTES} for each image")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD_BYTES)
    if records[:, 0].max() >= len(CIFAR10_CLASSES):
        raise tarfile.TarError(f"{name} has a label of {records[:, 0].max()}")
    return records


def _examples(records: np.ndarray) -> Points:
    x = records[:, 1:].astype(np.float32)
    x /= 255.0
    return x, records[:, 0].astype(np.int64)


def _make_two_classes(first: np.ndarray, second: np.ndarray, noise: float, rng: Rng) -> Points:
    """Return two classes of points, with noise added."""
    x = np.concatenate([first, second])
    x = x + noise * np.random.default_rng(rng).normal(size=x.shape)
    return x, np.repeat([0, 1], [len(first), len(second)])


def _require_counts(**counts: int) -> None:
    for name, count in counts.items():
        if not isinstance(count, int | np.integer) or count < 1:
            raise ValueError(f"{name} must be a positive integer, not {count}.")
