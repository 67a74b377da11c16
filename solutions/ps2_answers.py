# Answers to ps2 like those of a real class, for `nnkit demo-class ps2`: right ones in several styles, and wrong ones
# with a planted mistake. A cell's header names the answer cell it replaces and either its style, or the mistake's
# id (or a word for it) and the test cells that lose points because of it: `cell=points lost`.

# %% sigmoid style=half-angle
class SigmoidGate:
    def forward(self, x):
        t = np.tanh(0.5 * x)
        return 0.5 + 0.5 * t, {"t": t}

    def backward(self, upstream, cache):
        t = cache["t"]
        return (0.25 * (1 - t * t) * upstream,)

# %% sigmoid style=masked
class SigmoidGate:
    def forward(self, x):
        x = np.asarray(x)
        out, above = np.zeros(x.shape), x >= 0
        out[above] = 1 / (1 + np.exp(-x[above]))
        out[~above] = np.exp(x[~above]) / (1 + np.exp(x[~above]))
        return out, [out]

    def backward(self, upstream, cache):
        out = cache[0]
        local = out - out**2
        return upstream * local

# %% sigmoid style=both-formulas
class SigmoidGate:
    def forward(self, x):
        out = np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))
        return out, (x, out)

    def backward(self, upstream, cache):
        _, out = cache
        return [upstream * out * (1 - out)]

# %% sigmoid mistake=sigmoid-of-input loses=test-sigmoid
class SigmoidGate:
    def forward(self, x):
        t = np.exp(-np.abs(x))
        return np.where(x >= 0, 1 / (1 + t), t / (1 + t)), x

    def backward(self, upstream, cache):
        x = cache
        return upstream * x * (1 - x)

# %% sigmoid mistake=sigmoid-twice loses=test-sigmoid
class SigmoidGate:
    def forward(self, x):
        t = np.exp(-np.abs(x))
        out = np.where(x >= 0, 1 / (1 + t), t / (1 + t))
        return out, out

    def backward(self, upstream, cache):
        s = 1 / (1 + np.exp(-cache))
        return upstream * s * (1 - s)

# %% sigmoid mistake=no-upstream loses=test-sigmoid
class SigmoidGate:
    def forward(self, x):
        t = np.exp(-np.abs(x))
        out = np.where(x >= 0, 1 / (1 + t), t / (1 + t))
        return out, out

    def backward(self, upstream, cache):
        return cache * (1 - cache)

# %% sigmoid mistake=overflow loses=test-sigmoid=2
class SigmoidGate:
    def forward(self, x):
        out = np.exp(x) / (1 + np.exp(x))
        return out, out

    def backward(self, upstream, cache):
        return upstream * cache * (1 - cache)

# %% sigmoid mistake=overflow-in-backward loses=test-sigmoid=2
class SigmoidGate:
    def forward(self, x):
        return 1 / (1 + np.exp(-x)), x

    def backward(self, upstream, cache):
        t = np.exp(-cache)
        return upstream * t / (1 + t) ** 2

# %% slope style=minus-square
def slope_from_output(s):
    return s - np.square(s)

# %% slope mistake=sigmoid-twice loses=test-slope
def slope_from_output(s):
    again = 1 / (1 + np.exp(-s))
    return again * (1 - again)

# %% slope mistake=factor loses=test-slope
def slope_from_output(s):
    return 2 * s * (1 - s)

# %% stages style=loop
def sigmoid_stages(dot):
    names = ["dot", "negated", "exp", "plus1", "f"]
    values = {"dot": dot}
    values["negated"] = -1 * dot
    values["exp"] = np.e ** values["negated"]
    values["plus1"] = 1 + values["exp"]
    values["f"] = values["plus1"] ** -1.0
    local = {"negated": -1.0, "exp": values["exp"], "plus1": 1.0, "f": -(values["f"] ** 2)}
    gradients = {"f": 1.0}
    for name, before in zip(names[:0:-1], names[-2::-1]):
        gradients[before] = gradients[name] * local[name]
    return values, gradients

# %% stages mistake=sign loses=test-stages
def sigmoid_stages(dot):
    exp = np.exp(-dot)
    plus1 = exp + 1
    f = 1 / plus1
    dplus1 = -1 / plus1**2
    dnegated = dplus1 * exp
    values = {"dot": dot, "negated": -dot, "exp": exp, "plus1": plus1, "f": f}
    return values, {"dot": dnegated, "negated": dnegated, "exp": dplus1, "plus1": dplus1, "f": 1.0}

# %% stages mistake=reciprocal-sign loses=test-stages
def sigmoid_stages(dot):
    exp = np.exp(-dot)
    plus1 = exp + 1
    f = 1 / plus1
    dplus1 = 1 / plus1**2
    dnegated = dplus1 * exp
    values = {"dot": dot, "negated": -dot, "exp": exp, "plus1": plus1, "f": f}
    return values, {"dot": -dnegated, "negated": dnegated, "exp": dplus1, "plus1": dplus1, "f": 1.0}

# %% stages mistake=exp-is-input loses=test-stages
def sigmoid_stages(dot):
    negated = -dot
    exp = np.exp(negated)
    plus1 = exp + 1
    f = 1 / plus1
    dplus1 = -1 / plus1**2
    dnegated = dplus1 * negated
    values = {"dot": dot, "negated": negated, "exp": exp, "plus1": plus1, "f": f}
    return values, {"dot": -dnegated, "negated": dnegated, "exp": dplus1, "plus1": dplus1, "f": 1.0}

# %% tanh style=from-input
class TanhGate:
    def forward(self, x):
        return np.tanh(x), (x,)

    def backward(self, upstream, cache):
        (x,) = cache
        return [upstream / np.cosh(x) ** 2]

# %% tanh mistake=tanh-of-input loses=test-tanh
class TanhGate:
    def forward(self, x):
        return np.tanh(x), x

    def backward(self, upstream, cache):
        return upstream * (1 - cache**2)

# %% tanh mistake=no-upstream loses=test-tanh
class TanhGate:
    def forward(self, x):
        out = np.tanh(x)
        return out, out

    def backward(self, upstream, cache):
        return 1 - cache**2

# %% relu style=from-output
class ReLUGate:
    def forward(self, x):
        out = np.where(x > 0, x, 0.0)
        return out, out

    def backward(self, upstream, cache):
        return np.where(cache > 0, upstream, 0.0)

# %% relu style=zeroed
class ReLUGate:
    def forward(self, x):
        return (x + np.abs(x)) / 2, {"x": np.asarray(x)}

    def backward(self, upstream, cache):
        dx = np.array(upstream, dtype=float)
        dx[cache["x"] <= 0] = 0
        return (dx,)

# %% relu mistake=relu-on-upstream loses=test-relu
class ReLUGate:
    def forward(self, x):
        return np.maximum(0, x), x

    def backward(self, upstream, cache):
        return np.maximum(0, upstream)

# %% relu mistake=relu-no-mask loses=test-relu
class ReLUGate:
    def forward(self, x):
        return np.maximum(0, x), x

    def backward(self, upstream, cache):
        return upstream

# %% relu mistake=relu-inverted loses=test-relu
class ReLUGate:
    def forward(self, x):
        return np.maximum(0, x), x < 0

    def backward(self, upstream, cache):
        return upstream * cache

# %% leaky style=larger-of-two-lines
class LeakyReLUGate:
    def __init__(self, alpha=0.01):
        self.alpha = alpha

    def forward(self, x):
        return np.maximum(x, self.alpha * x), (np.asarray(x) > 0)

    def backward(self, upstream, cache):
        return (upstream * cache + self.alpha * upstream * ~cache,)

# %% leaky mistake=relu-inverted loses=test-leaky
class LeakyReLUGate:
    def __init__(self, alpha=0.01):
        self.alpha = alpha

    def forward(self, x):
        return np.where(x > 0, x, self.alpha * x), x

    def backward(self, upstream, cache):
        return upstream * np.where(cache > 0, self.alpha, 1.0)

# %% leaky mistake=relu-no-mask loses=test-leaky
class LeakyReLUGate:
    def __init__(self, alpha=0.01):
        self.alpha = alpha

    def forward(self, x):
        return np.where(x > 0, x, self.alpha * x), x

    def backward(self, upstream, cache):
        return upstream * 1.0

# %% leaky mistake=ignores-alpha loses=test-leaky
class LeakyReLUGate:
    def __init__(self, alpha=0.01):
        self.alpha = alpha

    def forward(self, x):
        return np.where(x > 0, x, self.alpha * x), x

    def backward(self, upstream, cache):
        return upstream * np.where(cache > 0, 1.0, 0.01)

# %% elu style=exponential
class ELUGate:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        e = np.exp(np.minimum(x, 0.0))
        return np.maximum(x, 0.0) + self.alpha * (e - 1), (x, e)

    def backward(self, upstream, cache):
        x, e = cache
        return (np.where(x > 0, upstream, self.alpha * e * upstream),)

# %% elu mistake=overflow loses=test-elu
class ELUGate:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        return np.where(x > 0, x, self.alpha * (np.exp(x) - 1)), x

    def backward(self, upstream, cache):
        return upstream * ((cache > 0) + (cache <= 0) * self.alpha * np.exp(cache))

# %% elu mistake=relu-no-mask loses=test-elu
class ELUGate:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        return np.where(x > 0, x, self.alpha * (np.exp(np.minimum(x, 0)) - 1)), x

    def backward(self, upstream, cache):
        return upstream + 0.0

# %% elu mistake=output-without-alpha loses=test-elu
class ELUGate:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        out = np.where(x > 0, x, self.alpha * (np.exp(np.minimum(x, 0)) - 1))
        return out, out

    def backward(self, upstream, cache):
        return upstream * np.where(cache > 0, 1.0, cache)

# %% maxout style=argmax
class MaxoutGate:
    def forward(self, x):
        scores = x.reshape(len(x), 2, -1)
        return scores.max(axis=1), scores

    def backward(self, upstream, cache):
        wins = cache == cache.max(axis=1, keepdims=True)
        return (wins * upstream[:, None, :]).reshape(len(cache), -1)

# %% maxout mistake=max-to-both loses=test-maxout
class MaxoutGate:
    def forward(self, x):
        left, right = np.split(x, 2, axis=1)
        return np.maximum(left, right), None

    def backward(self, upstream, cache):
        return np.concatenate([upstream, upstream], axis=1)

# %% maxout mistake=max-to-loser loses=test-maxout
class MaxoutGate:
    def forward(self, x):
        left, right = np.split(x, 2, axis=1)
        return np.maximum(left, right), left >= right

    def backward(self, upstream, cache):
        return np.concatenate([upstream * ~cache, upstream * cache], axis=1)

# %% softplus style=logaddexp
class SoftplusGate:
    def forward(self, x):
        return np.logaddexp(0, x), x

    def backward(self, upstream, cache):
        return (upstream * 0.5 * (1 + np.tanh(cache / 2)),)

# %% softplus style=two-cases
class SoftplusGate:
    def forward(self, x):
        out = np.where(x > 0, x + np.log(1 + np.exp(-x)), np.log(1 + np.exp(x)))
        return out, np.where(x > 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))

    def backward(self, upstream, cache):
        return upstream * cache

# %% softplus mistake=overflow loses=test-softplus=2
class SoftplusGate:
    def forward(self, x):
        return np.log(1 + np.exp(x)), x

    def backward(self, upstream, cache):
        return upstream / (1 + np.exp(-cache))

# %% softplus mistake=overflow-in-backward loses=test-softplus=2
class SoftplusGate:
    def forward(self, x):
        return np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x))), x

    def backward(self, upstream, cache):
        return upstream * np.exp(cache) / (1 + np.exp(cache))

# %% softplus mistake=inner-derivative-forgotten loses=test-softplus
class SoftplusGate:
    def forward(self, x):
        return np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x))), x

    def backward(self, upstream, cache):
        return upstream / (1 + np.exp(cache))

# %% softplus mistake=no-upstream loses=test-softplus
class SoftplusGate:
    def forward(self, x):
        return np.logaddexp(0, x), x

    def backward(self, upstream, cache):
        return 1 / (1 + np.exp(-cache))

# %% neuron style=dot-product
class NeuronGate:
    def forward(self, w, x, b):
        f = 1 / (1 + np.exp(-(w @ x + b)))
        return f, dict(w=w, x=x, slope=f - f**2)

    def backward(self, upstream, cache):
        db = upstream * cache["slope"]
        dw, dx = db * cache["x"], db * cache["w"]
        return [dw, dx, db]

# %% neuron mistake=own-input loses=test-neuron
class NeuronGate:
    def forward(self, w, x, b):
        f = 1 / (1 + np.exp(-(np.sum(w * x) + b)))
        return f, (w, x, f)

    def backward(self, upstream, cache):
        w, x, f = cache
        ddot = upstream * f * (1 - f)
        return ddot * w, ddot * x, ddot

# %% neuron mistake=sigmoid-of-input loses=test-neuron
class NeuronGate:
    def forward(self, w, x, b):
        dot = np.sum(w * x) + b
        return 1 / (1 + np.exp(-dot)), (w, x, dot)

    def backward(self, upstream, cache):
        w, x, dot = cache
        ddot = upstream * dot * (1 - dot)
        return ddot * x, ddot * w, ddot

# %% neuron mistake=wrong-count loses=test-neuron
class NeuronGate:
    def forward(self, w, x, b):
        f = 1 / (1 + np.exp(-(np.sum(w * x) + b)))
        return f, (w, x, f)

    def backward(self, upstream, cache):
        w, x, f = cache
        ddot = upstream * f * (1 - f)
        return ddot * x, ddot * w

# %% chain style=recursive
def sigmoid_chain(x, depth):
    if depth == 0:
        return x, 1.0
    inner, dx = sigmoid_chain(x, depth - 1)
    f = 1 / (1 + np.exp(-inner))
    return f, f * (1 - f) * dx

# %% chain style=back-to-front
def sigmoid_chain(x, depth):
    outs = [x]
    for _ in range(depth):
        outs.append(1 / (1 + np.exp(-outs[-1])))
    gradient = 1.0
    for out in reversed(outs[1:]):
        gradient *= out * (1 - out)
    return outs[-1], gradient

# %% chain mistake=one-slope-for-all loses=test-chain
def sigmoid_chain(x, depth):
    out = x
    for _ in range(depth):
        out = 1 / (1 + np.exp(-out))
    return out, (out * (1 - out)) ** depth

# %% chain mistake=sigmoid-of-input loses=test-chain
def sigmoid_chain(x, depth):
    out, dx = x, 1.0
    for _ in range(depth):
        dx = dx * out * (1 - out)
        out = 1 / (1 + np.exp(-out))
    return out, dx

# %% chain mistake=no-gate-forgotten loses=test-chain
def sigmoid_chain(x, depth):
    out = 1 / (1 + np.exp(-x))
    dx = out * (1 - out)
    for _ in range(depth - 1):
        out = 1 / (1 + np.exp(-out))
        dx = dx * out * (1 - out)
    return out, dx

# %% saturation style=on-paper
def saturation():
    return dict(sigmoid=4.595, tanh=2.993, depth=10)

# %% saturation mistake=depth-rounded-down loses=test-saturation=1
def saturation():
    return {"sigmoid": 4.595, "tanh": 2.993, "depth": 9}

# %% saturation mistake=negative-root loses=test-saturation=1
def saturation():
    s = (1 - np.sqrt(0.96)) / 2
    return {"sigmoid": np.log(s / (1 - s)), "tanh": np.arctanh(np.sqrt(0.99)), "depth": 10}

# %% saturation mistake=a-list loses=test-saturation
def saturation():
    return [4.595, 2.993, 10]

# %% saturation mistake=text loses=test-saturation=1
def saturation():
    return {"sigmoid": "4.595", "tanh": 2.993, "depth": 10}

# %% saturation mistake=output-for-input loses=test-saturation=2
def saturation():
    return {"sigmoid": 0.99, "tanh": 0.995, "depth": 10}

# %% tanh crash=syntax loses=test-tanh
class TanhGate:
    def forward(self, x)
        return np.tanh(x), x

# %% maxout crash=raises loses=test-maxout
raise RuntimeError("I restarted my kernel and now this cell fails")

# %% chain loop=endless loses=test-chain
def sigmoid_chain(x, depth):
    out = x
    while depth >= 0:
        out = 1 / (1 + np.exp(-out))
    return out, 1.0
