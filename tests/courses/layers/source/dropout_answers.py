"""Right and wrong answers to dropout."""

# %% dropout style=where
class Dropout:
    def __init__(self, p, uniform, training=True):
        self.p, self.kept, self.training = p, uniform < p, training

    def forward(self, x):
        return (np.where(self.kept, x / self.p, 0.0) if self.training else x), None

    def backward(self, upstream, cache):
        return np.where(self.kept, upstream / self.p, 0.0) if self.training else upstream


# %% dropout mistake=not-scaled loses=test-dropout,test-average
class Dropout:
    def __init__(self, p, uniform, training=True):
        self.mask = uniform < p if training else np.ones_like(uniform)

    def forward(self, x):
        return x * self.mask, None

    def backward(self, upstream, cache):
        return upstream * self.mask


# %% dropout mistake=backward-not-masked loses=test-dropout
class Dropout:
    def __init__(self, p, uniform, training=True):
        self.scale = (uniform < p) / p if training else np.ones_like(uniform)

    def forward(self, x):
        return x * self.scale, None

    def backward(self, upstream, cache):
        return upstream


# %% dropout mistake=always-on loses=test-evaluation
class Dropout:
    def __init__(self, p, uniform, training=True):
        self.scale = (uniform < p) / p

    def forward(self, x):
        return x * self.scale, None

    def backward(self, upstream, cache):
        return upstream * self.scale


# %% average mistake=one-layer loses=test-average
def average(p, uniforms):
    return float(Dropout(p, uniforms[0]).forward(np.ones(uniforms.shape[1]))[0].mean())
