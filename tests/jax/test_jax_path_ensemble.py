"""`fit_many`: each network is the one that `fit` trains alone, in one chunk or many; the table and its picture."""

from __future__ import annotations

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.colors import to_rgba

import jax
from helpers.paths import ROOT
from nnkit import gates
from nnkit.data import spiral
from nnkit.jax_path import OutOfMemoryError, ensemble, fit, fit_many
from nnkit.jax_path.devices import measure_free_memory
from nnkit.jax_path.jax_layers import MAX_UNROLLED_TERMS, EnsembleAffine, multiply_matrices
from nnkit.jax_path.program import CompileCache
from nnkit.mlp import MLP
from nnkit.train import SGD, cosine
from nnkit.view.figures.sweeps import heat_map

pytestmark = pytest.mark.slow

MODEL = MLP((2, 8, 3))
X, LABELS = spiral(15, rng=1)
SETTINGS: Any = {
    "seeds": range(3), "step_sizes": (0.1, 0.5), "weight_decays": (0.0, 0.01), "epochs": 6, "batch_size": 20,
    "momentum": 0.9, "schedule": cosine(20), "rng": 4, "x_val": X[::2], "y_val": LABELS[::2], "dtype": "float64",
}  # fmt: skip


@pytest.fixture(scope="module")
def sweep() -> Any:
    return fit_many(MODEL, X, LABELS, **SETTINGS)


def test_each_network_is_the_one_that_fit_trains_alone(sweep: Any) -> None:
    assert len(sweep) == 12
    for k in (5, 10):
        seed, rate, decay = (sweep.settings[name][k] for name in ("seed", "step_size", "weight_decay"))
        alone = fit(
            MODEL, MODEL.init(int(seed)), X, LABELS, epochs=6, batch_size=20, rng=4, x_val=X[::2], y_val=LABELS[::2],
            optimiser=SGD(rate, 0.9, decay, cosine(20)), dtype="float64",
        )  # fmt: skip
        np.testing.assert_allclose(sweep.losses[k], alone.history.train_loss, rtol=1e-10)
        for name in ("train_accuracy", "val_accuracy", "val_loss"):
            assert sweep.table[name][k] == pytest.approx(getattr(alone.history, name)[-1], rel=1e-9)
        for name, p in alone.parameters.items():
            np.testing.assert_allclose(sweep.network(k)[name], p, rtol=1e-9, atol=1e-12)


def test_chunks_change_nothing(sweep: Any) -> None:
    parts = fit_many(MODEL, X, LABELS, **{**SETTINGS, "seeds": range(2)}, memory=3 * sweep.plan.bytes_each + 7)
    assert (parts.plan.chunk, parts.plan.chunks, len(parts)) == (3, 3, 8)  # the last chunk is filled up with a copy
    np.testing.assert_allclose(parts.losses, sweep.losses[:8], rtol=1e-11)
    for name, values in parts.table.items():
        np.testing.assert_allclose(values, sweep.table[name][:8], rtol=1e-9)


def test_more_epochs_than_one_call_takes() -> None:
    found = fit_many(MODEL, X, LABELS, seeds=[5], epochs=70, dtype="float64")
    alone = fit(MODEL, MODEL.init(5), X, LABELS, epochs=70, dtype="float64")
    np.testing.assert_allclose(found.losses[0], alone.history.loss, rtol=1e-9)
    assert fit_many(MODEL, X, LABELS, seeds=[5], epochs=0).losses.shape == (1, 0)


def test_the_memory_of_a_chunk_is_about_what_was_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """XLA reports the memory of a compiled program: the plan must not be below it, nor many times above."""
    seen: list[int] = []

    def compiled(self: CompileCache, function: Any, *inputs: Any, donate: Any = (0,)) -> Any:
        program = jax.jit(function, donate_argnums=donate).lower(*inputs).compile()
        facts = program.memory_analysis()
        seen.append(facts.temp_size_in_bytes + facts.argument_size_in_bytes + facts.output_size_in_bytes)
        return program

    monkeypatch.setattr(CompileCache, "compile", compiled)
    for model, size in ((MLP((2, 100, 3)), 45), (MLP((2, 200, 200, 3)), 5)):
        seen.clear()
        planned = fit_many(model, X, LABELS, seeds=range(40), epochs=2, batch_size=size).plan
        assert planned.chunks == 1
        assert 0.8 * max(seen) < 40 * planned.bytes_each < 5 * max(seen)


def test_plans() -> None:
    assert ensemble.plan_chunks(1000, 10, 10_000) == ensemble.ChunkPlan(1000, 1000, 10, 10_000)
    assert (ensemble.plan_chunks(1000, 10, 9_999).chunk, ensemble.plan_chunks(1000, 10, 9_999).chunks) == (500, 2)
    with pytest.raises(OutOfMemoryError, match=r"One network needs about 2.5 MB, and 1 MB may be taken"):
        ensemble.plan_chunks(3, 2_500_000, 1_000_000)
    with pytest.raises(OutOfMemoryError, match="or more memory="):
        fit_many(MODEL, X, LABELS, memory=100)
    assert measure_free_memory(jax.devices("cpu")[0]) >= 2**20


def test_one_that_diverges_stops_alone() -> None:
    found = fit_many(MODEL, X, LABELS, seeds=range(2), step_sizes=(0.1, 1e200), epochs=5, batch_size=15)
    stopped = found.settings["step_size"] > 1
    assert (found.steps[~stopped] == 15).all()
    assert (found.steps[stopped] < 15).all()
    assert np.isfinite(found.losses[~stopped]).all()
    assert found.settings["step_size"][found.best] == 0.1
    assert set(found.ranking()[-2:]) == set(np.flatnonzero(stopped))
    assert "2 stopped early" in repr(found)
    assert np.isnan(found.grid()[2]).tolist() == [[False], [True]]


def test_the_table(sweep: Any) -> None:
    assert list(sweep.table)[:5] == ["seed", "step_size", "weight_decay", "steps", "loss"]
    assert {len(column) for column in sweep.table.values()} == {12}
    assert sweep.judged_by == "val_accuracy"
    assert sweep.table["val_accuracy"][sweep.best] == sweep.table["val_accuracy"].max()
    assert sweep.ranking("loss")[0] == np.argmin(sweep.table["loss"])
    lines = repr(sweep).splitlines()
    assert lines[0] == "12 networks in 1 chunk, the best 10 by val_accuracy:"
    assert lines[1].split() == ["network", *sweep.table]
    assert lines[2].split()[0] == str(sweep.best)
    assert len(lines) == 12
    rates, decays, values = sweep.grid("loss")
    assert (rates.tolist(), decays.tolist()) == ([0.1, 0.5], [0.0, 0.01])
    cell = (sweep.settings["step_size"] == 0.5) & (sweep.settings["weight_decay"] == 0.01)
    assert values[1, 1] == pytest.approx(sweep.table["loss"][cell].mean())


def test_a_learners_gate_and_targets_that_are_no_labels() -> None:
    class Softplus:
        def forward(self, x: Any) -> Any:
            return np.logaddexp(x, 0), x

        def backward(self, upstream: Any, cache: Any) -> Any:
            return upstream / (1 + np.exp(-cache))

    model = MLP((2, 4, 2), Softplus(), gates.SquaredError())
    found = fit_many(model, X, X, seeds=[3], step_sizes=[0.002], epochs=4)
    alone = fit(model, model.init(3), X, X, optimiser=SGD(0.002), epochs=4)
    np.testing.assert_allclose(found.losses[0], alone.history.loss, rtol=1e-5)
    assert found.judged_by == "loss"


def test_what_does_not_fit_is_reported() -> None:
    with pytest.raises(ValueError, match="step_sizes must be numbers of 0 or more"):
        fit_many(MODEL, X, LABELS, step_sizes=(-1.0,))
    with pytest.raises(ValueError, match="must have an entry each"):
        fit_many(MODEL, X, LABELS, seeds=())


# -- products of many small matrices ---------------------------------------------------------------------


@pytest.mark.parametrize("inner", [1, 5, MAX_UNROLLED_TERMS, MAX_UNROLLED_TERMS + 1])
@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None), (None, None)])
def test_the_product_of_many_is_the_product_of_each(inner: int, axes: Any) -> None:
    draw = np.random.default_rng(inner)
    x, w = (jnp.asarray(draw.normal(size=((6,) if axis == 0 else ()) + shape))
            for axis, shape in zip(axes, ((4, inner), (inner, 3))))  # fmt: skip
    out = jax.vmap(multiply_matrices, axes)(x, w) if axes != (None, None) else multiply_matrices(x, w)
    np.testing.assert_allclose(out, x @ w, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_the_affine_gate_of_many_is_the_affine_gate(bias: bool) -> None:
    draw = np.random.default_rng(0)
    inputs = [jnp.asarray(draw.normal(size=shape)) for shape in ((5, 4), (4, 3), (3,))][: 2 + bias]
    upstream = jnp.asarray(draw.normal(size=(5, 3)))
    plain = gates.Affine() if bias else gates.MatMul()
    for ours, theirs in zip(
        EnsembleAffine().backward(upstream, EnsembleAffine().forward(*inputs)[1]),
        plain.backward(upstream, plain.forward(*inputs)[1]),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# -- the picture -----------------------------------------------------------------------------------------


def test_the_heat_map_says_every_number(sweep: Any) -> None:
    picture = heat_map(sweep, "loss")
    _, _, values = sweep.grid("loss")
    (axes, bar) = picture.figure.axes
    written = [text.get_text() for text in axes.texts]
    assert written == [f"{value:.3g}" for value in values.ravel()]
    assert all(number in str(picture) for number in written)
    assert str(picture).startswith("The mean loss of 12 networks. step size 0.1: ")
    assert bar.get_ylabel() == "mean loss"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("weight decay", "step size")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.1", "0.5"]


def test_the_numbers_on_a_heat_map_can_be_read(sweep: Any) -> None:
    axes = heat_map(sweep).figure.axes[0]
    (image,) = axes.images
    for text in axes.texts:
        place, row = text.get_position()
        light = np.dot(image.cmap(image.norm(image.get_array()[int(row), int(place)]))[:3], (0.2126, 0.7152, 0.0722))
        ink = np.dot(to_rgba(text.get_color())[:3], (0.2126, 0.7152, 0.0722))
        assert abs(light - ink) > 0.3


def test_a_cell_that_stopped_is_crossed_and_a_column_must_exist() -> None:
    found = fit_many(MODEL, X, LABELS, seeds=[0], step_sizes=(0.1, 1e200), epochs=3)
    picture = heat_map(found)
    assert picture.figure.axes[0].texts[1].get_text() == "×"
    assert "(× where a network stopped)" in str(picture)
    with pytest.raises(KeyError):
        heat_map(found, "nothing")


def test_the_guides_examples_run() -> None:
    guide = (ROOT / "docs" / "jax.md").read_text(encoding="utf-8")
    first, second, *_ = re.findall(r"^```python\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(first.replace("epochs=100", "epochs=2") + second.replace("epochs=50", "epochs=2"), names)
    assert len(names["sweep"]) == 400
    assert set(names["result"].history.train_accuracy)
