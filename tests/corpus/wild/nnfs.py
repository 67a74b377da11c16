"""Layers that set `self.output` in forward and `self.dinputs`, `self.dweights`, `self.dbiases` in backward."""

from functools import partial

import numpy as np

from nnkit.check import check_layer


class Layer_Dense:
    def __init__(self, n_inputs, n_neurons, weight_regularizer_l2=0):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))
        self.weight_regularizer_l2 = weight_regularizer_l2

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        # fault: self.inputs.T, dvalues -> self.inputs.T, dvalues**2
        # fault: np.dot(self.inputs.T, dvalues) -> np.dot(self.inputs.T, dvalues) / len(dvalues)
        self.dweights = np.dot(self.inputs.T, dvalues)
        # fault: axis=0 -> axis=1
        # fault: np.sum -> np.mean
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        # fault: self.weights.T -> np.abs(self.weights.T)
        self.dinputs = np.dot(dvalues, self.weights.T)


def case_dense(rng):
    return partial(check_layer, lambda: Layer_Dense(3, 4), rng.standard_normal((5, 3)))


class Activation_ReLU:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        # fault: self.inputs <= 0 -> self.dinputs <= 0
        # fault: self.inputs <= 0 -> self.inputs < -1
        self.dinputs[self.inputs <= 0] = 0


def case_relu(rng):
    return partial(check_layer, Activation_ReLU, rng.standard_normal((5, 3)))


class Activation_Softmax:
    def forward(self, inputs):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for index, (single_output, single_dvalues) in enumerate(zip(self.output, dvalues)):
            single_output = single_output.reshape(-1, 1)
            # fault: - np.dot(single_output, single_output.T) ->
            # fault: diagflat(single_output) -> diagflat(single_output**2)
            jacobian_matrix = np.diagflat(single_output) - np.dot(single_output, single_output.T)
            self.dinputs[index] = np.dot(jacobian_matrix, single_dvalues)


def case_softmax(rng):
    return partial(check_layer, Activation_Softmax, rng.standard_normal((4, 3)))


class Activation_Sigmoid:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = 1 / (1 + np.exp(-inputs))

    def backward(self, dvalues):
        # fault: 1 - self.output -> 1 - self.inputs
        # fault: (1 - self.output) * self.output -> (1 - self.output)
        self.dinputs = dvalues * (1 - self.output) * self.output


def case_sigmoid(rng):
    return partial(check_layer, Activation_Sigmoid, rng.standard_normal((4, 3)))


class Layer_Dropout:
    def __init__(self, rate):
        self.rate = 1 - rate

    def forward(self, inputs, training):
        self.inputs = inputs
        if not training:
            self.output = inputs.copy()
            return
        self.binary_mask = np.random.binomial(1, self.rate, size=inputs.shape) / self.rate
        self.output = inputs * self.binary_mask

    def backward(self, dvalues):
        # fault: self.binary_mask -> self.binary_mask * self.rate
        # fault: dvalues * self.binary_mask -> dvalues
        self.dinputs = dvalues * self.binary_mask


def case_dropout(rng):
    return partial(check_layer, lambda: Layer_Dropout(0.3), rng.standard_normal((6, 5)), training=True)


class Layer_BatchNormalization:
    def __init__(self, n, momentum=0.9):
        self.gamma = np.ones(n)
        self.beta = np.zeros(n)
        self.momentum = momentum
        self.running_mean, self.running_var = np.zeros(n), np.ones(n)

    def forward(self, inputs, training=True):
        self.training = training
        if training:
            mean, var = inputs.mean(axis=0), inputs.var(axis=0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            mean, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + 1e-7)
        self.normalized = (inputs - mean) / self.std
        self.output = self.gamma * self.normalized + self.beta

    def backward(self, dvalues):
        self.dgamma = np.sum(dvalues * self.normalized, axis=0)
        self.dbeta = np.sum(dvalues, axis=0)
        d = dvalues * self.gamma
        if self.training:
            # fault: - self.normalized * np.mean(d * self.normalized, axis=0) ->
            # fault: d - np.mean(d, axis=0) -> d
            d = d - np.mean(d, axis=0) - self.normalized * np.mean(d * self.normalized, axis=0)
        # fault: / self.std -> * self.std
        self.dinputs = d / self.std


def case_batchnorm(rng):
    return partial(check_layer, lambda: Layer_BatchNormalization(3), 2 * rng.standard_normal((6, 3)) + 1)


def case_batchnorm_evaluation(rng):
    return partial(
        check_layer, lambda: Layer_BatchNormalization(3), 2 * rng.standard_normal((6, 3)) + 1, training=False
    )


class Activation_Softmax_Loss_CategoricalCrossentropy:
    def forward(self, inputs, y_true):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)
        self.y_true = y_true
        return np.mean(-np.log(self.output[range(len(inputs)), y_true]))

    def backward(self, dvalues):
        samples = len(self.output)
        self.dinputs = self.output.copy()
        # fault: -= 1 -> -= 2
        # fault: range(samples), self.y_true -> :, self.y_true
        self.dinputs[range(samples), self.y_true] -= 1
        # fault: / samples -> / samples**2
        # fault: / samples ->
        self.dinputs = dvalues * self.dinputs / samples


def case_softmax_loss(rng):
    make = Activation_Softmax_Loss_CategoricalCrossentropy
    return partial(check_layer, make, rng.standard_normal((4, 3)), rng.integers(3, size=4))
