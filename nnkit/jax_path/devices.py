"""Devices of JAX: choosing them, their memory, and plain messages for the ways in which they fail."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import jax

INSTALL_COMMAND = "pip install 'nnkit[gpu]'"


class DeviceError(RuntimeError):
    """Error for a device that is missing or does not work; the message says what to do."""


class OutOfMemoryError(DeviceError):
    """Error for a computation that does not fit into the device's memory."""


def choose_devices(device: str = "auto", count: int = 1) -> list[Any]:
    """Return `count` devices: "cpu", "gpu", or with "auto" a GPU if JAX finds one and else the CPU.

    Raises ValueError for another word or a count below 1, DeviceError if there is no GPU or too few devices.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise ValueError(f'device must be "auto", "cpu" or "gpu", not {device!r}.')
    if not (isinstance(count, int) and count >= 1):
        raise ValueError(f"devices must be a whole number of 1 or more, not {count}.")
    found = _find_devices("cpu") if device == "cpu" else _find_devices("gpu")
    if not found and device == "gpu":
        raise DeviceError(explain_missing_gpu())
    found = found or _find_devices("cpu")
    if len(found) < count:
        raise DeviceError(
            f"{count} devices were requested, and JAX finds {len(found)} ({found[0].platform}). To try several on a "
            f"CPU, set XLA_FLAGS=--xla_force_host_platform_device_count={count} before Python starts."
        )
    return found[:count]


def _find_devices(platform: str) -> list[Any]:
    try:
        return list(jax.local_devices(backend=platform))
    except RuntimeError:
        return []


def explain_missing_gpu() -> str:
    """Explain why JAX finds no GPU here, and what to do."""
    start = 'There is no GPU for JAX here (device="cpu" and device="auto" work without one): '
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and not {"gpu", "cuda", "rocm"} & set(platforms.split(",")):
        return f"{start}the environment variable JAX_PLATFORMS={platforms} leaves it out."
    driver, plugin = _read_driver_version(), any(find_spec(f"jax_cuda{n}_plugin") for n in (12, 13))
    if not plugin:
        seen = f"the driver is there (NVIDIA {driver}), but " if driver else ""
        return f"{start}{seen}JAX was installed without CUDA. {INSTALL_COMMAND} brings it, on Linux with an NVIDIA GPU."
    if not driver:
        return f"{start}JAX has its CUDA, but there is no NVIDIA driver: `nvidia-smi` should list a GPU."
    return (
        f"{start}JAX's CUDA and the driver (NVIDIA {driver}) do not go together: update the driver, or "
        f"{INSTALL_COMMAND} in a fresh environment. `python -c 'import jax; jax.devices()'` prints the details."
    )


def _read_driver_version() -> str:
    """Return the version of the NVIDIA driver, "" if there is none."""
    version = Path("/proc/driver/nvidia/version")
    found = re.search(r"(\d+\.\d+[.\d]*)", version.read_text(encoding="utf-8")) if version.exists() else None
    return found[1] if found else ""


ERROR_PATTERNS = (
    (
        r"RESOURCE_EXHAUSTED|[Oo]ut of memory|CUDA_ERROR_OUT_OF_MEMORY",
        "The device does not have enough memory{size}: take a smaller batch_size, a smaller network, dtype='bfloat16', "
        "or for fit_many a smaller memory=, which makes smaller chunks.",
    ),
    (
        r"driver version is insufficient|CUDA_ERROR_(SYSTEM_DRIVER_MISMATCH|COMPAT_NOT_SUPPORTED|UNSUPPORTED_PTX)",
        f"The NVIDIA driver is older than the CUDA that JAX brings: update the driver, or {INSTALL_COMMAND} with a JAX "
        'that fits it. device="cpu" works until then.',
    ),
    (
        r"no kernel image|CUDA_ERROR_NO_BINARY_FOR_GPU|INVALID_PTX|ptxas",
        'This JAX has no code for this GPU, which is too old or too new for it. device="cpu" works until then.',
    ),
    (
        r"(?i)cudnn.*(version|not|fail)|cublas.*(not_initialized|fail)",
        f"CUDA's libraries do not fit this JAX, perhaps because LD_LIBRARY_PATH names others first: unset it, or "
        f"{INSTALL_COMMAND} in a fresh environment.",
    ),
)
"""Pattern in an error message of XLA, and the message to show for it."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate XLA's errors to `OutOfMemoryError` or `DeviceError` with a plain message; others pass."""
    try:
        yield
    except jax.errors.JaxRuntimeError as fault:
        error = explain_error(str(fault))
        if error is None:
            raise
        raise error from fault


def explain_error(message: str) -> DeviceError | None:
    """Return the error that a message of XLA stands for, None if it is not known."""
    for position, (pattern, sentence) in enumerate(ERROR_PATTERNS):
        if re.search(pattern, message):
            size = re.search(r"allocat\w+ ([\d.]+ ?[KMGTPE]?i?B|\d+ bytes)", message)
            kind = DeviceError if position else OutOfMemoryError
            return kind(sentence.replace("{size}", f" ({size[1]} more were needed)" if size else ""))
    return None


def measure_free_memory(device: Any) -> int:
    """Return the bytes that a computation may take: four fifths of a GPU's free memory, half of this machine's."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(0.8 * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    free = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")] if hasattr(os, "sysconf") else [2**32]
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and limit.read_text(encoding="utf-8").strip().isdigit():
        free.append(int(limit.read_text(encoding="utf-8")) - int(used.read_text(encoding="utf-8")))
    return max(min(free) // 2, 2**20)


@dataclass(frozen=True)
class Placement:
    """Devices of a training: one, or several that share each batch."""

    devices: tuple[Any, ...]

    @classmethod
    def choose(cls, device: str, count: int, examples: int) -> Placement:
        """Choose devices as `choose_devices` does; ValueError unless they can share a batch's examples evenly."""
        if isinstance(count, int) and count > 1 and examples % count:
            raise ValueError(
                f"{count} devices share each batch, so its {examples} examples must be a multiple of {count}: give "
                "another batch_size."
            )
        return cls(tuple(choose_devices(device, count)))

    @property
    def name(self) -> str:
        """Name of the devices: "cpu", "NVIDIA H100 80GB HBM3", "cpu × 4"."""
        kind = str(self.devices[0].device_kind)
        return f"{kind} × {len(self.devices)}" if len(self.devices) > 1 else kind

    def put(self, tree: Any) -> Any:
        """Put the arrays of a tree on every device, each in full."""
        where = self.devices[0] if len(self.devices) == 1 else self._sharding()
        return jax.tree.map(lambda a: jax.device_put(a, where), tree)

    def put_copy(self, tree: Any) -> Any:
        """Put copies of the arrays on every device, which a compiled function may then consume."""
        return self.put(jax.tree.map(lambda a: jnp.array(a, copy=True), tree))

    def split_batch(self, batch: Any) -> Any:
        """Split a batch over the devices, in a compiled function. XLA adds up the gradients of the parts."""
        if len(self.devices) == 1:
            return batch
        constrain: Any = jax.lax.with_sharding_constraint
        return constrain(batch, self._sharding("batch"))

    def _sharding(self, *axes: str) -> NamedSharding:
        spec: Any = PartitionSpec
        return NamedSharding(Mesh(np.array(self.devices), ("batch",)), spec(*axes))
