# Answers to ps1 like those of a real class, for `nnkit demo-class ps1`: right ones in several styles, and wrong ones
# with a planted mistake. A cell's header names the answer cell it replaces and either its style, or the mistake's
# id (or a word for it) and the test cells that lose points because of it: `cell=points lost`.

# %% multiply style=loud
class MultiplyGate:
    def forward(self, x, y):
        cache = {"x": x, "y": y}
        return np.multiply(x, y), cache

    def backward(self, upstream, cache):
        dx = np.multiply(cache["y"], upstream)
        dy = np.multiply(cache["x"], upstream)
        return [dx, dy]

# %% multiply mistake=no-upstream loses=test-multiply
class MultiplyGate:
    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return y, x

# %% multiply mistake=own-input loses=test-multiply
class MultiplyGate:
    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return upstream * x, upstream * y

# %% subtract style=as-addition
class SubtractGate:
    def forward(self, x, y):
        return x + (-y), []

    def backward(self, upstream, cache):
        return upstream * 1.0, upstream * -1.0

# %% subtract mistake=sign loses=test-subtract
class SubtractGate:
    def forward(self, x, y):
        return x - y, None

    def backward(self, upstream, cache):
        return upstream, upstream

# %% square style=product
class SquareGate:
    def forward(self, x):
        return x * x, [x]

    def backward(self, upstream, cache):
        return (cache[0] * upstream + upstream * cache[0],)

# %% square mistake=factor loses=test-square
class SquareGate:
    def forward(self, x):
        return x**2, x

    def backward(self, upstream, cache):
        return upstream * cache

# %% exp style=recomputed
class ExpGate:
    def forward(self, x):
        return np.e**x, x

    def backward(self, upstream, cache):
        return upstream * np.exp(cache)

# %% exp mistake=exp-is-input loses=test-exp
class ExpGate:
    def forward(self, x):
        return np.exp(x), x

    def backward(self, upstream, cache):
        return upstream * cache

# %% reciprocal style=from-input
class ReciprocalGate:
    def forward(self, x):
        return x**-1.0, x

    def backward(self, upstream, cache):
        return -upstream / (cache * cache)

# %% reciprocal mistake=reciprocal-sign loses=test-reciprocal
class ReciprocalGate:
    def forward(self, x):
        return 1 / x, x

    def backward(self, upstream, cache):
        return upstream / cache**2

# %% divide style=through-output
class DivideGate:
    def forward(self, x, y):
        return x / y, (x / y, y)

    def backward(self, upstream, cache):
        quotient, y = cache
        dx = upstream / y
        return dx, -quotient * dx

# %% divide mistake=swapped-inputs loses=test-divide
class DivideGate:
    def forward(self, x, y):
        return x / y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return -upstream * x / y**2, upstream / y

# %% max style=where
class MaxGate:
    def forward(self, x, y):
        winner = x >= y
        return np.where(winner, x, y), winner

    def backward(self, upstream, cache):
        return np.where(cache, upstream, 0.0), np.where(cache, 0.0, upstream)

# %% max mistake=max-to-loser loses=test-max
class MaxGate:
    def forward(self, x, y):
        return np.maximum(x, y), (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return upstream * (x < y), upstream * (x >= y)

# %% max mistake=max-to-both loses=test-max
class MaxGate:
    def forward(self, x, y):
        return np.maximum(x, y), (x, y)

    def backward(self, upstream, cache):
        return upstream, upstream

# %% product style=one-line
def product(x, y, z):
    return (x + y) * z, (z, z, x + y)

# %% product mistake=swapped-inputs loses=test-product
def product(x, y, z):
    q = x + y
    return q * z, (q, q, z)

# %% branch style=accumulate
def branch(x, y):
    p, e = x * y, np.exp(x)
    dx = 0.0
    dx += y
    dx += e
    return p + e, [dx, x]

# %% branch mistake=overwritten-branch loses=test-branch
def branch(x, y):
    f = x * y + np.exp(x)
    dx = y
    dx = np.exp(x)
    return f, (dx, x)

# %% neuron style=vectors
def neuron(w, x):
    inputs = np.append(x, 1.0)
    f = 1 / (1 + np.exp(-(w @ inputs)))
    local = f - f**2
    return f, [local * inputs, local * w[:-1]]

# %% neuron mistake=sigmoid-of-input loses=test-neuron
def neuron(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    f = 1 / (1 + np.exp(-dot))
    ddot = dot * (1 - dot)
    return f, (ddot * np.array([x[0], x[1], 1.0]), ddot * w[:2])

# %% staged mistake=overwritten-branch loses=test-staged
def staged(x, y):
    sy, sx = 1 / (1 + np.exp(-y)), 1 / (1 + np.exp(-x))
    num, xpy = x + sy, x + y
    den = sx + xpy**2
    dnum, dden = 1 / den, -num / den**2
    dxpy = dden * 2 * xpy
    dx = dden * sx * (1 - sx) + dxpy
    dy = dnum * sy * (1 - sy) + dxpy
    return num / den, (dx, dy)

# %% order style=depth-first
def topological_order(needs):
    order = []

    def visit(node):
        if node not in order:
            for x in needs[node]:
                visit(x)
            order.append(node)

    for node in needs:
        visit(node)
    return order

# %% order mistake=reversed loses=test-order,test-backward=4
def topological_order(needs):
    order = []
    while len(order) < len(needs):
        for node in needs:
            if node not in order and all(x in order for x in needs[node]):
                order.append(node)
    return order[::-1]

# %% backward mistake=overwritten-branch loses=test-backward=2
def graph_backward(needs, local, output):
    grad = {node: 0.0 for node in needs}
    grad[output] = 1.0
    for node in reversed(topological_order(needs)):
        for x, slope in zip(needs[node], local[node]):
            grad[x] = grad[node] * slope
    return grad

# %% update style=stepwise
def update(weights, gradients, step_size):
    new = dict(weights)
    for name in gradients:
        step = step_size * gradients[name]
        new[name] = np.subtract(new[name], step)
    return new

# %% update mistake=mutated-input loses=test-update
def update(weights, gradients, step_size):
    for name in weights:
        weights[name] -= step_size * gradients[name]
    return weights

# %% update mistake=sign loses=test-update
def update(weights, gradients, step_size):
    return {name: W + step_size * gradients[name] for name, W in weights.items()}

# %% exp crash=syntax loses=test-exp
class ExpGate
    def forward(self, x):
        return np.exp(x), x

# %% reciprocal crash=raises loses=test-reciprocal
raise RuntimeError("I restarted my kernel and now this cell fails")

# %% square loop=endless loses=test-square
class SquareGate:
    def forward(self, x):
        while True:
            x = x + 1

    def backward(self, upstream, cache):
        return upstream
