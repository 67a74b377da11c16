"""Right and wrong answers to layernorm."""

# %% standardise style=loops
class Standardise:
    def forward(self, x):
        rows = [(row - row.mean()) / np.sqrt(row.var() + 1e-5) for row in x]
        return np.array(rows), x

    def backward(self, upstream, x):
        rows = []
        for up, row in zip(upstream, x):
            s = np.sqrt(row.var() + 1e-5)
            hat = (row - row.mean()) / s
            rows.append((up - up.mean() - hat * (up @ hat) / len(up)) / s)
        return np.array(rows)


# %% standardise mistake=constant-mean loses=test-standardise,test-layernorm
class Standardise:
    def forward(self, x):
        deviation = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        return (x - x.mean(axis=1, keepdims=True)) / deviation, deviation

    def backward(self, upstream, cache):
        return upstream / cache


# %% layernorm mistake=no-sum loses=test-layernorm,test-parameters
class LayerNorm:
    def forward(self, x, gamma, beta):
        hat, cache = Standardise().forward(x)
        return gamma * hat + beta, (hat, gamma, cache)

    def backward(self, upstream, cache):
        hat, gamma, inner = cache
        return Standardise().backward(upstream * gamma, inner), upstream * hat, upstream


# %% layernorm mistake=gamma-left-out loses=test-layernorm
class LayerNorm:
    def forward(self, x, gamma, beta):
        hat, cache = Standardise().forward(x)
        return gamma * hat + beta, (hat, cache)

    def backward(self, upstream, cache):
        hat, inner = cache
        return Standardise().backward(upstream, inner), (upstream * hat).sum(axis=0), upstream.sum(axis=0)


# %% layernorm mistake=beta-is-a-mean loses=test-layernorm,test-parameters=1
class LayerNorm:
    def forward(self, x, gamma, beta):
        hat, cache = Standardise().forward(x)
        return gamma * hat + beta, (hat, gamma, cache)

    def backward(self, upstream, cache):
        hat, gamma, inner = cache
        dx = Standardise().backward(upstream * gamma, inner)
        return dx, (upstream * hat).sum(axis=0), upstream.mean(axis=0)
