"""Layers that take their parameters in `__init__`, with `forward(x, train_flg)` and `backward(dout=1)`."""

from functools import partial

import numpy as np

from nnkit.check import check_layer


def im2col(input_data, filter_h, filter_w, stride=1, pad=0):
    N, C, H, W = input_data.shape
    out_h = (H + 2 * pad - filter_h) // stride + 1
    out_w = (W + 2 * pad - filter_w) // stride + 1
    img = np.pad(input_data, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((N, C, filter_h, filter_w, out_h, out_w))
    for y in range(filter_h):
        for x in range(filter_w):
            col[:, :, y, x] = img[:, :, y : y + stride * out_h : stride, x : x + stride * out_w : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * out_h * out_w, -1)


def col2im(col, input_shape, filter_h, filter_w, stride=1, pad=0):
    N, C, H, W = input_shape
    out_h = (H + 2 * pad - filter_h) // stride + 1
    out_w = (W + 2 * pad - filter_w) // stride + 1
    col = col.reshape(N, out_h, out_w, C, filter_h, filter_w).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad + stride - 1, W + 2 * pad + stride - 1))
    for y in range(filter_h):
        for x in range(filter_w):
            img[:, :, y : y + stride * out_h : stride, x : x + stride * out_w : stride] += col[:, :, y, x]
    return img[:, :, pad : H + pad, pad : W + pad]


class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        # fault: [self.mask] -> [~self.mask]
        # fault: dout[self.mask] = 0 -> dout[dout < 0] = 0
        dout[self.mask] = 0
        dx = dout
        return dx


def case_relu(rng):
    return partial(check_layer, Relu, rng.standard_normal((4, 3)))


class Sigmoid:
    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout):
        # fault: (1.0 - self.out) * self.out -> (1.0 - self.out**2)
        # fault: * self.out -> * dout
        return dout * (1.0 - self.out) * self.out


def case_sigmoid(rng):
    return partial(check_layer, Sigmoid, rng.standard_normal((4, 3)))


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.x = self.original_x_shape = None
        self.dW = self.db = None

    def forward(self, x):
        self.original_x_shape = x.shape
        self.x = x.reshape(x.shape[0], -1)
        return np.dot(self.x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        # fault: self.x.T, dout -> np.abs(self.x.T), dout
        self.dW = np.dot(self.x.T, dout)
        # fault: self.db = np.sum(dout, axis=0) -> self.db = np.sum(dout, axis=0) + self.b + 1
        self.db = np.sum(dout, axis=0)
        # fault: dx.reshape(*self.original_x_shape) -> dx
        return dx.reshape(*self.original_x_shape)


def case_affine(rng):
    n = rng.standard_normal
    W, b = n((6, 4)), n(4)
    return partial(check_layer, lambda: Affine(W, b), n((3, 2, 3)))


class SoftmaxWithLoss:
    def __init__(self):
        self.loss = self.y = self.t = None

    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        self.loss = -np.sum(np.log(self.y[np.arange(len(t)), t])) / len(t)
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        # fault: -= 1 -> -= 1 / batch_size
        dx[np.arange(batch_size), self.t] -= 1
        # fault: dx / batch_size -> dx
        # fault: dx / batch_size -> dx / dx.size
        dx = dx / batch_size
        return dx


def case_softmax_with_loss(rng):
    return partial(check_layer, SoftmaxWithLoss, rng.standard_normal((5, 3)), rng.integers(3, size=5))


class Dropout:
    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio = dropout_ratio
        self.mask = None

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
            return x * self.mask
        return x * (1.0 - self.dropout_ratio)

    def backward(self, dout):
        # fault: self.mask -> ~self.mask
        # fault: dout * self.mask -> dout * self.mask / (1 - self.dropout_ratio)
        # fault: dout * self.mask -> dout * (np.random.rand(*dout.shape) > self.dropout_ratio)
        return dout * self.mask


def case_dropout(rng):
    return partial(check_layer, lambda: Dropout(0.4), rng.standard_normal((5, 6)))


class BatchNormalization:
    def __init__(self, gamma, beta, momentum=0.9, running_mean=None, running_var=None):
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.input_shape = None
        self.running_mean, self.running_var = running_mean, running_var
        self.batch_size = self.xc = self.std = None
        self.dgamma = self.dbeta = None

    def forward(self, x, train_flg=True):
        self.input_shape = x.shape
        if x.ndim != 2:
            x = x.reshape(x.shape[0], -1)
        return self.__forward(x, train_flg).reshape(*self.input_shape)

    def __forward(self, x, train_flg):
        if self.running_mean is None:
            self.running_mean, self.running_var = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        if train_flg:
            mu = x.mean(axis=0)
            xc = x - mu
            var = np.mean(xc**2, axis=0)
            std = np.sqrt(var + 10e-7)
            xn = xc / std
            self.batch_size, self.xc, self.xn, self.std = x.shape[0], xc, xn, std
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            xn = (x - self.running_mean) / np.sqrt(self.running_var + 10e-7)
        return self.gamma * xn + self.beta

    def backward(self, dout):
        if dout.ndim != 2:
            dout = dout.reshape(dout.shape[0], -1)
        dbeta = dout.sum(axis=0)
        dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        # fault: -np.sum -> np.sum
        # fault: self.std * self.std -> self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        # fault: 2.0 / self.batch_size -> 1.0 / self.batch_size
        dxc += (2.0 / self.batch_size) * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        # fault: - dmu / self.batch_size ->
        dx = dxc - dmu / self.batch_size
        self.dgamma, self.dbeta = dgamma, dbeta
        return dx.reshape(*self.input_shape)


def case_batchnorm(rng):
    n = rng.standard_normal
    gamma, beta = n(4), n(4)
    return partial(check_layer, lambda: BatchNormalization(gamma, beta), n((5, 4)))


def case_batchnorm_images(rng):
    n = rng.standard_normal
    gamma, beta = n(12), n(12)
    return partial(check_layer, lambda: BatchNormalization(gamma, beta), n((4, 3, 2, 2)))


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        out_h = 1 + int((H + 2 * self.pad - FH) / self.stride)
        out_w = 1 + int((W + 2 * self.pad - FW) / self.stride)
        col = im2col(x, FH, FW, self.stride, self.pad)
        col_W = self.W.reshape(FN, -1).T
        out = np.dot(col, col_W) + self.b
        self.x, self.col, self.col_W = x, col, col_W
        return out.reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(dout, axis=0)
        # fault: (1, 0) -> (0, 1)
        self.dW = np.dot(self.col.T, dout).transpose(1, 0).reshape(FN, C, FH, FW)
        dcol = np.dot(dout, self.col_W.T)
        # fault: , self.pad) -> , self.pad)[:, :, ::-1]
        return col2im(dcol, self.x.shape, FH, FW, self.stride, self.pad)


def case_convolution(rng):
    n = rng.standard_normal
    W, b = n((3, 2, 3, 3)), n(3)
    return partial(check_layer, lambda: Convolution(W, b, stride=2, pad=1), n((2, 2, 5, 5)))


class Pooling:
    def __init__(self, pool_h, pool_w, stride=1, pad=0):
        self.pool_h, self.pool_w, self.stride, self.pad = pool_h, pool_w, stride, pad

    def forward(self, x):
        N, C, H, W = x.shape
        out_h, out_w = int(1 + (H - self.pool_h) / self.stride), int(1 + (W - self.pool_w) / self.stride)
        col = im2col(x, self.pool_h, self.pool_w, self.stride, self.pad).reshape(-1, self.pool_h * self.pool_w)
        self.x, self.arg_max = x, np.argmax(col, axis=1)
        return np.max(col, axis=1).reshape(N, out_h, out_w, C).transpose(0, 3, 1, 2)

    def backward(self, dout):
        # fault: 0, 2, 3, 1 -> 0, 1, 2, 3
        dout = dout.transpose(0, 2, 3, 1)
        pool_size = self.pool_h * self.pool_w
        dmax = np.zeros((dout.size, pool_size))
        # fault: self.arg_max.flatten() -> 0
        # fault: = dout.flatten() -> = 1
        dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
        dmax = dmax.reshape((*dout.shape, pool_size))
        dcol = dmax.reshape(dmax.shape[0] * dmax.shape[1] * dmax.shape[2], -1)
        return col2im(dcol, self.x.shape, self.pool_h, self.pool_w, self.stride, self.pad)


def case_pooling(rng):
    return partial(check_layer, lambda: Pooling(2, 2, stride=2), rng.standard_normal((2, 3, 4, 4)))
