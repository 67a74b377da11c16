"""The still form of the playground: the network after some hundred updates."""

from __future__ import annotations

import numpy as np

from nnkit.language import say
from nnkit.view.errors import describe_error
from nnkit.view.explorers.playground_points import Points
from nnkit.view.explorers.playground_trainer import Trainer
from nnkit.view.figures.class_regions import draw_regions
from nnkit.view.figures.picture import BLUE, ORANGE, Picture, create_panels, format_numbers

UPDATES_PER_POINT = 10
"""The number of updates between two points of the curves."""


def draw_training(trainer: Trainer, points: Points, updates: int, note: str = "") -> Picture:
    """Train, and draw the class regions and the curves of loss and accuracy. A gate that fails ends the training."""
    failed = ""
    try:
        with np.errstate(all="ignore"):  # the picture says that a loss is not finite
            for _ in range(updates // UPDATES_PER_POINT):
                trainer.measure()
                trainer.advance(UPDATES_PER_POINT)
            trainer.measure()
    except Exception as error:  # a learner's gate may raise anything
        failed = f"{say('Then a gate failed.')} {describe_error(error)}"
    figure, (plane, curves) = create_panels(1, 2, (8.4, 3.8))
    steps, losses, shares, _ = np.array(trainer.curve.points or [(0, np.nan, np.nan, np.nan)]).T
    if len(points.x) and not failed:
        draw_regions(plane, lambda x: trainer.model.predict(trainer.parameters, x), points.x, points.labels)
        plane.legend(fontsize=8, loc="upper right", title="class", title_fontsize=8)
    sizes = "-".join(map(str, trainer.model.sizes))
    plane.set_title(f"{sizes} after {trainer.step} updates")
    curves.plot(steps, losses, color=BLUE, label="loss")
    curves.plot(steps, shares, color=ORANGE, linestyle="--", label="accuracy")
    curves.set(xlabel="updates", ylim=(0, None))
    curves.legend()
    description = _describe_training(sizes, points, steps, losses, shares)
    return Picture(figure, " ".join([description, *filter(None, [trainer.stopped, failed, note, points.note])]))


def _describe_training(sizes: str, points: Points, steps: np.ndarray, losses: np.ndarray, shares: np.ndarray) -> str:
    texts = [
        say(
            "The plane divided among {classes} classes by a network {sizes} trained on {count} points.",
            classes=points.class_count, sizes=sizes, count=len(points.x),
        )
    ]  # fmt: skip
    if len(points.x):
        chosen = np.unique(np.linspace(0, len(steps) - 1, 5).astype(int))
        texts.append(
            say(
                "After {steps} updates the loss was {losses}, and {shares} of the points lay in their class's region.",
                steps=format_numbers(steps[chosen]), losses=format_numbers(losses[chosen]),
                shares=", ".join(f"{share:.1%}" for share in shares[chosen]),
            )
        )  # fmt: skip
    return " ".join(texts)
