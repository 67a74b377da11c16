"""Plain functions: a loss with its gradient, f and fprime, a flat vector of parameters, products with J and H."""

from functools import partial

import numpy as np
import scipy.optimize

from nnkit.check import check_backward, check_gradient, check_hvp, check_jvp


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    # fault: sigmoid(z) * (1 - sigmoid(z)) -> sigmoid(z) * (1 - z)
    # fault: (1 - sigmoid(z)) -> (1 + sigmoid(z))
    return sigmoid(z) * (1 - sigmoid(z))


def case_sigmoid_prime(rng):
    return partial(
        check_jvp, sigmoid, lambda z, v: sigmoid_prime(z) * v, rng.standard_normal(5), rng.standard_normal(5)
    )


def case_rosenbrock(rng):
    # fault: scipy.optimize.rosen_der -> lambda x: 2 * scipy.optimize.rosen_der(x)
    # fault: scipy.optimize.rosen_der -> lambda x: scipy.optimize.rosen_der(x) - 400 * x
    return partial(check_gradient, (scipy.optimize.rosen, scipy.optimize.rosen_der), rng.standard_normal(5))


def case_rosenbrock_hessian(rng):
    # fault: scipy.optimize.rosen_hess_prod -> lambda x, v: scipy.optimize.rosen_hess(x).diagonal() * v
    # fault: scipy.optimize.rosen_hess_prod -> lambda x, v: 0.5 * scipy.optimize.rosen_hess_prod(x, v)
    hvp = scipy.optimize.rosen_hess_prod
    return partial(check_hvp, scipy.optimize.rosen_der, hvp, rng.standard_normal(5), rng.standard_normal(5))


def bce_loss(p, y):
    p = np.clip(p, 1e-12, 1 - 1e-12)
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    # fault: p * (1 - p) -> (1 - p)
    # fault: / p.size ->
    # fault: (p - y) -> (y - p)
    return loss, (p - y) / (p * (1 - p)) / p.size


def case_bce(rng):
    return partial(check_gradient, bce_loss, rng.uniform(0.1, 0.9, 6), rng.integers(2, size=6).astype(float), wrt="p")


def bce_with_logits(z, y):
    loss = np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))
    # fault: sigmoid(z) - y -> z - y
    # fault: z.size -> len(z)
    return loss, (sigmoid(z) - y) / z.size


def case_bce_with_logits(rng):
    z, y = rng.standard_normal((6, 2)), rng.integers(2, size=(6, 2))
    return partial(check_gradient, bce_with_logits, z, y)


def mse(prediction, target):
    return np.mean((prediction - target) ** 2)


def mse_grad(prediction, target):
    # fault: 2 * -> 1 *
    # fault: prediction.size -> len(prediction)
    return 2 * (prediction - target) / prediction.size


def case_mse(rng):
    n = rng.standard_normal
    return partial(check_gradient, (mse, mse_grad), n((4, 3)), n((4, 3)), wrt="prediction")


def huber(r, delta=1.0):
    small = np.abs(r) <= delta
    value = np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)).sum()
    # fault: delta * np.sign(r) -> delta
    # fault: delta * np.sign(r) -> np.sign(r)
    return value, np.where(small, r, delta * np.sign(r))


def case_huber(rng):
    return partial(check_gradient, huber, 2 * rng.standard_normal(8), delta=0.7)


def logistic_cost(theta, X, y, lam):
    m = len(y)
    h = sigmoid(X @ theta)
    J = -(y @ np.log(h) + (1 - y) @ np.log(1 - h)) / m + lam / (2 * m) * np.sum(theta[1:] ** 2)
    grad = X.T @ (h - y) / m
    # fault: grad[1:] += lam / m * theta[1:] -> grad += lam / m * theta
    # fault: lam / m -> lam
    grad[1:] += lam / m * theta[1:]
    return J, grad


def case_logistic_cost(rng):
    X, y = rng.standard_normal((9, 4)), rng.integers(2, size=9)
    return partial(check_gradient, logistic_cost, rng.standard_normal(4), X, y, 0.5, wrt="theta")


def nn_cost(nn_params, input_layer_size, hidden_layer_size, num_labels, X, y, lam):
    split = hidden_layer_size * (input_layer_size + 1)
    Theta1 = nn_params[:split].reshape(hidden_layer_size, input_layer_size + 1)
    Theta2 = nn_params[split:].reshape(num_labels, hidden_layer_size + 1)
    m = X.shape[0]
    a1 = np.hstack([np.ones((m, 1)), X])
    z2 = a1 @ Theta1.T
    a2 = np.hstack([np.ones((m, 1)), sigmoid(z2)])
    h = sigmoid(a2 @ Theta2.T)
    Y = np.eye(num_labels)[y]
    J = -np.sum(Y * np.log(h) + (1 - Y) * np.log(1 - h)) / m
    J += lam / (2 * m) * (np.sum(Theta1[:, 1:] ** 2) + np.sum(Theta2[:, 1:] ** 2))
    d3 = h - Y
    # fault: sigmoid_gradient(z2) -> sigmoid_gradient(a2[:, 1:])
    d2 = (d3 @ Theta2)[:, 1:] * sigmoid_gradient(z2)
    Theta1_grad, Theta2_grad = d2.T @ a1 / m, d3.T @ a2 / m
    # fault: lam / m -> lam / (2 * m)
    Theta1_grad[:, 1:] += lam / m * Theta1[:, 1:]
    # fault: Theta2_grad[:, 1:] += lam -> Theta2_grad[:, 1:] -= lam
    Theta2_grad[:, 1:] += lam / m * Theta2[:, 1:]
    # fault: Theta1_grad.ravel(), Theta2_grad.ravel() -> Theta2_grad.ravel(), Theta1_grad.ravel()
    return J, np.concatenate([Theta1_grad.ravel(), Theta2_grad.ravel()])


def sigmoid_gradient(z):
    return sigmoid(z) * (1 - sigmoid(z))


def case_nn_cost(rng):
    theta = rng.standard_normal(5 * 4 + 3 * 6)
    X, y = rng.standard_normal((7, 3)), rng.integers(3, size=7)
    return partial(check_gradient, nn_cost, theta, 3, 5, 3, X, y, 1.5, wrt="nn_params")


def cosine_similarity(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def cosine_similarity_grad(a, b):
    na, nb = np.linalg.norm(a), np.linalg.norm(b)
    c = a @ b / (na * nb)
    # fault: c * a / na**2 -> c * a / na
    da = b / (na * nb) - c * a / na**2
    # fault: - c * b / nb**2 ->
    db = a / (na * nb) - c * b / nb**2
    return da, db


def case_cosine_similarity(rng):
    n = rng.standard_normal
    return partial(check_gradient, (cosine_similarity, cosine_similarity_grad), n(4), n(4))


def triplet_loss(anchor, positive, negative, margin=1.0):
    d = np.sum((anchor - positive) ** 2, axis=1) - np.sum((anchor - negative) ** 2, axis=1) + margin
    active = (d > 0)[:, None] / len(d)
    # fault: negative - positive -> positive - negative
    da = 2 * active * (negative - positive)
    # fault: 2 * -> -2 *
    dp = 2 * active * (positive - anchor)
    dn = 2 * active * (anchor - negative)
    return np.maximum(d, 0).mean(), (da, dp, dn)


def case_triplet(rng):
    n = rng.standard_normal
    return partial(check_gradient, triplet_loss, n((5, 3)), n((5, 3)), n((5, 3)))


def kl_divergence(mu, logvar):
    value = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))
    # fault: np.exp(logvar) - 1 -> np.exp(logvar)
    # fault: mu, 0.5 -> 2 * mu, 0.5
    return value, (mu, 0.5 * (np.exp(logvar) - 1))


def case_kl_divergence(rng):
    return partial(check_gradient, kl_divergence, rng.standard_normal(5), rng.standard_normal(5))


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def softmax_vjp(g, z):
    s = softmax(z)
    # fault: s * (g - s @ g) -> s * (1 - s) * g
    # fault: s @ g -> g.mean()
    return s * (g - s @ g)


def case_softmax_vjp(rng):
    return partial(check_backward, (softmax, softmax_vjp), rng.standard_normal(5))


def softmax_jvp(z, v):
    s = softmax(z)
    # fault: s @ v -> v.sum()
    # fault: s * (v - s @ v) -> s * v
    return s * (v - s @ v)


def case_softmax_jvp(rng):
    return partial(check_jvp, softmax, softmax_jvp, rng.standard_normal(5), rng.standard_normal(5))


def case_lennard_jones(rng):
    def energy(r):
        return np.sum(r**-12 - 2 * r**-6)

    def force(r):
        # fault: -12 * r**-13 + 12 * r**-7 -> 12 * r**-13 - 12 * r**-7
        # fault: r**-7 -> r**-5
        return -12 * r**-13 + 12 * r**-7

    return partial(check_gradient, (energy, force), rng.uniform(0.9, 2, 6))


def case_quadratic_hessian(rng):
    A = rng.standard_normal((4, 4))

    def gradient(x):
        return (A + A.T) @ x + 4 * x**3

    def hvp(x, v):
        # fault: (A + A.T) -> 2 * A
        # fault: 12 * x**2 * v -> 12 * x**2
        return (A + A.T) @ v + 12 * x**2 * v

    return partial(check_hvp, gradient, hvp, rng.standard_normal(4), rng.standard_normal(4))
