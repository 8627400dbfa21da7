"""Pipelines and steps that do more than scikit-learn's own, as other packages have them."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline


class Undersampler(BaseEstimator):
    """Rows of every class, as many as the rarest class has; nothing when rows are predicted."""

    fits = 0

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit_resample(self, X, y):
        type(self).fits += 1
        rng = np.random.default_rng(self.random_state)
        classes, counts = np.unique(y, return_counts=True)
        kept = [rng.choice(np.flatnonzero(y == c), counts.min(), replace=False) for c in classes]
        kept = np.sort(np.concatenate(kept))
        return X[kept], y[kept]


class Repeater(BaseEstimator):
    """The rows several times, those of later copies with noise: more rows than there were."""

    def __init__(self, times=2):
        self.times = times

    def fit_resample(self, X, y):
        rng = np.random.default_rng(0)
        noise = 0.1 * rng.standard_normal((self.times - 1, *X.shape))
        return np.vstack([X, *(X + noise)]), np.concatenate([y] * self.times)


class ResamplingPipeline(Pipeline):
    """Steps may have `fit_resample`: rows are resampled where it is fitted, and only there."""

    def fit(self, X, y=None, **params):
        prefix = f"{self.steps[-1][0]}__"
        for _, step in self.steps[:-1]:
            if hasattr(step, "fit_resample"):
                X, y = step.fit_resample(X, y)
            else:
                X = step.fit_transform(X, y)
        params = {name.removeprefix(prefix): value for name, value in params.items()}
        self.steps[-1][1].fit(X, y, **params)
        self.fitted_ = self.steps[-1][1]
        return self

    def transformed(self, X):
        for _, step in self.steps[:-1]:
            if hasattr(step, "transform"):
                X = step.transform(X)
        return X

    def predict(self, X):
        return self.fitted_.predict(self.transformed(X))

    def predict_proba(self, X):
        return self.fitted_.predict_proba(self.transformed(X))

    def score(self, X, y):
        return self.fitted_.score(self.transformed(X), y)


class ShiftingPipeline(Pipeline):
    """scikit-learn's own `fit`, and predictions of its own."""

    def predict(self, X):
        return super().predict(X) + 1

    def score(self, X, y):
        return -np.mean((self.predict(X) - y) ** 2)


class LogTargetPipeline(Pipeline):
    """The last step learns the logarithm of the targets."""

    def __init__(self, steps, *, scale=1.0, transform_input=None, memory=None, verbose=False):
        super().__init__(steps, memory=memory, verbose=verbose)
        self.transform_input = transform_input
        self.scale = scale

    def fit(self, X, y=None, **params):
        return super().fit(X, np.log(y) / self.scale, **params)

    def predict(self, X):
        return np.exp(super().predict(X) * self.scale)

    def score(self, X, y):
        return -np.mean(abs(self.predict(X) - y))


class RankedPipeline(Pipeline):
    """Targets are words, of which a regressor learns the rank."""

    def fit(self, X, y=None, **params):
        self.words_, ranks = np.unique(y, return_inverse=True)
        return super().fit(X, ranks.astype(float), **params)

    def score(self, X, y):
        return -np.mean((self.predict(X) - np.searchsorted(self.words_, y)) ** 2)


class CloningPipeline(ResamplingPipeline):
    """Fits clones of its steps."""

    def fit(self, X, y=None, **params):
        self.steps = [(name, clone(step)) for name, step in self.steps]
        return super().fit(X, y, **params)


class LabelsInFold(BaseEstimator, TransformerMixin):
    """The mean target of a column's sign; of the rows fitted to, from the other half of them."""

    def fit(self, X, y):
        self.means_ = [y[X[:, 0] > 0].mean(), y[X[:, 0] <= 0].mean()]
        return self

    def transform(self, X):
        return np.column_stack([X, np.where(X[:, 0] > 0, *self.means_)])

    def fit_transform(self, X, y):
        halves = np.arange(len(X)) % 2
        self.fit(X[halves == 0], y[halves == 0])
        first = self.transform(X)
        self.fit(X[halves == 1], y[halves == 1])
        made = np.where((halves == 0)[:, None], self.transform(X), first)
        self.fit(X, y)
        return made
