"""Training: gradient descent in a loop, with a history of everything that happened.

    model = MLP((2, 100, 3))
    parameters = model.init(0)
    result = fit(model, parameters, x, labels, epochs=200, batch_size=32, optimiser=SGD(0.5, momentum=0.9))
    result.history.loss                        # one number for each step
    model.accuracy(result.parameters, x, labels)

One step is `W -= step_size * dW`, for every parameter: all the rest chooses the examples of a step, records
what happened, and stops when something went wrong. With a checkpoint, an interrupted training is resumed and ends in
the same bits. Source: CS231n, notes "Optimization" and "Neural networks 3".
"""

from nnkit.train.checkpoints import CheckpointError
from nnkit.train.history import History, Result
from nnkit.train.loop import fit, minibatches
from nnkit.train.sgd import SGD, cosine, step_decay, warmup

__all__ = ["SGD", "CheckpointError", "History", "Result", "cosine", "fit", "minibatches", "step_decay", "warmup"]
