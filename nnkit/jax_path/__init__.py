"""The JAX path: the same gates, networks and training, compiled by XLA, on the CPU or a GPU.

    from nnkit.jax_path import fit, fit_many, to_jax

    result = fit(model, model.init(0), x, labels, epochs=200, batch_size=32)    # as nnkit.train.fit is called
    result.parameters, result.history, result.compile_seconds, result.run_seconds

    sweep = fit_many(model, x, labels, seeds=range(100), step_sizes=(0.01, 0.1, 1.0))
    print(sweep)                          # a table, best first; nnkit.view.figures.sweeps.heat_map(sweep) draws it

    sigmoid = to_jax(Sigmoid())           # a function that jax.grad differentiates by the gate's own backward

Gates that learners wrote with NumPy run here unchanged (see `nnkit.jax_path.numpy_proxy`). Each name loads its module,
and with it JAX and optax, when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnkit.jax_path.devices import DeviceError, OutOfMemoryError
    from nnkit.jax_path.ensemble import Sweep, fit_many
    from nnkit.jax_path.fitting import JaxResult, fit
    from nnkit.jax_path.jax_gates import differences, network_differences, to_jax

_HOMES = {
    "DeviceError": "devices",
    "JaxResult": "fitting",
    "OutOfMemoryError": "devices",
    "Sweep": "ensemble",
    "differences": "jax_gates",
    "fit": "fitting",
    "fit_many": "ensemble",
    "network_differences": "jax_gates",
    "to_jax": "jax_gates",
}
__all__ = [
    "DeviceError", "JaxResult", "OutOfMemoryError", "Sweep", "differences", "fit", "fit_many", "network_differences",
    "to_jax",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"nnkit.jax_path.{_HOMES[name]}"), name)
    raise AttributeError(f"nnkit.jax_path has no {name!r}; it has {', '.join(__all__)}.")
