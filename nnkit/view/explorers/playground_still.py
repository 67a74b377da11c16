"""The still form of the playground: where some hundred updates lead."""

from __future__ import annotations

import numpy as np

from nnkit.view.errors import describe_error
from nnkit.view.explorers.playground_points import Points
from nnkit.view.explorers.playground_trainer import Trainer
from nnkit.view.figures.plots import BLUE, ORANGE, Picture, _listed
from nnkit.view.figures.training import _regions

EVERY = 10
"""Updates from one point of the curves to the next."""


def trained(trainer: Trainer, points: Points, updates: int, note: str = "") -> Picture:
    """The ground of each class after these updates, and the curves that led there. A gate that fails ends it."""
    import matplotlib.pyplot as plt

    failed = ""
    try:
        with np.errstate(all="ignore"):  # what is not finite is told
            for _ in range(updates // EVERY):
                trainer.standing()
                trainer.advance(EVERY)
            trainer.standing()
    except Exception as wrong:  # whatever a learner's gate raises
        failed = f"Then a gate failed. {describe_error(wrong)}"
    figure, (ground, curves) = plt.subplots(1, 2, figsize=(8.4, 3.8), dpi=90, layout="constrained")
    plt.close(figure)
    steps, losses, shares = np.array(trainer.curve.points or [(0, np.nan, np.nan)]).T
    if len(points.x) and not failed:
        _regions(ground, lambda x: trainer.model.predict(trainer.parameters, x), points.x, points.labels)
        ground.legend(fontsize=8, loc="upper right", title="class", title_fontsize=8)
    sizes = "-".join(map(str, trainer.model.sizes))
    ground.set_title(f"{sizes} after {trainer.step} updates")
    curves.plot(steps, losses, color=BLUE, label="loss")
    curves.plot(steps, shares, color=ORANGE, linestyle="--", label="accuracy")
    curves.set(xlabel="updates", ylim=(0, None))
    curves.legend()
    curves.spines[["top", "right"]].set_visible(False)
    told = _told(sizes, points, steps, losses, shares)
    return Picture(figure, " ".join([told, *filter(None, [trainer.stopped, failed, note, points.note])]))


def _told(sizes: str, points: Points, steps: np.ndarray, losses: np.ndarray, shares: np.ndarray) -> str:
    plane = f"The plane divided among {points.classes} classes by a network {sizes}"
    told = [f"{plane} that learned {len(points.x)} points."]
    if len(points.x):
        chosen = np.unique(np.linspace(0, len(steps) - 1, 5).astype(int))
        told.append(f"After {_listed(steps[chosen])} updates the loss was {_listed(losses[chosen])},")
        told.append(
            f"and {', '.join(f'{share:.1%}' for share in shares[chosen])} of the points lay on their own ground."
        )
    return " ".join(told)
