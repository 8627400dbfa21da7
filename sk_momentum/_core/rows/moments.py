"""First and second moments of the rows: made once, when first asked for, and shared."""

from functools import cached_property

import numpy as np

# The ratio of a column's variance to that in a sample beyond which the sample has missed it.
MISJUDGED = 2.0


def inverse_or_zero(D):
    """1 / D, and 0 where D is 0: the pseudo-inverse of a diagonal."""
    return np.divide(1.0, D, out=np.zeros_like(D), where=D > 0)


def mean_and_variance_about(m, first, squares):
    """Mean and variances from sums about a point m, which lose no digits where m is near the mean.

    mean = m + e,   e = sum_i s_i (x_i - m),   var = sum_i s_i (x_i - m)^2 - e^2.
    """
    return m + first, np.maximum(squares - np.square(first), 0)


def merged(chunks):
    """Weight, mean and Gram matrix of all rows, from those of chunks (Chan, Golub & LeVeque 1983).

    With weights w_j, means m_j and Gram matrices G_j about them,

        w = sum_j w_j,   m = sum_j w_j m_j / w,   G = sum_j G_j + w_j (m_j - m)(m_j - m)'.
    """
    weights = np.array([weight for weight, _, _ in chunks])
    means = np.array([mean for _, mean, _ in chunks])
    total = weights.sum()
    mean = weights @ means / total
    apart = means - mean
    gram = (weights * apart.T) @ apart
    for _, _, own in chunks:
        gram += own
    return total, mean, gram


class Moments:
    """Moments of rows under their weights, which sum to 1.

    Parameters
    ----------
    rows : Rows
    centered : bool
        About the mean; else about 0.

    Attributes
    ----------
    center : ndarray of shape (n_features,)
        The mean, or zeros.
    smoothness : float
        The largest lambda of the diagonal geometry found so far.
    """

    smoothness = 1.0

    def __init__(self, rows, *, centered):
        self.rows = rows
        self.centered = centered
        # One sweep then gives the Gram matrix along with mean and variances.
        self.with_gram = rows.gram_pays

    @cached_property
    def _swept(self):
        """The mean, and the Gram matrix about `center`, from one sweep."""
        _, mean, gram = self._finite(self.rows.moments)
        return mean, gram if self.centered else gram + np.outer(mean, mean)

    @cached_property
    def _mean_and_variance(self):
        """The mean, and the variances about `center`, from one sweep."""
        mean, variances = self._finite(self.rows.mean_and_variance)
        return mean, variances if self.centered else variances + np.square(mean)

    @cached_property
    def center(self):
        """The point that second moments are about."""
        if not self.centered:
            return np.zeros(self.rows.n_features)
        return self.mean

    @property
    def mean(self):
        """That of the columns, whatever `center` is."""
        return (self._swept if self.with_gram else self._mean_and_variance)[0]

    @cached_property
    def gram(self):
        """sum_i s_i (x_i - center)(x_i - center)', of shape (n_features, n_features)."""
        return self._swept[1]

    @cached_property
    def variances(self):
        """The diagonal of `gram`; exactly 0 for constant columns, whatever rounding leaves."""
        return self._above_rounding(
            np.diag(self.gram) if self.with_gram else self._mean_and_variance[1]
        )

    def _above_rounding(self, variances):
        # Moments are summed in float64 whatever the rows are.
        eps = np.finfo(np.float64).eps
        mean = (
            self.rows.origin.rows
            + (self._swept if "_swept" in vars(self) else self._mean_and_variance)[0]
        )
        return np.where(variances <= np.square(8 * eps * mean), 0.0, variances)

    @property
    def scales(self):
        """`center` and `variances`, without a Gram matrix where none was made."""
        if self.with_gram and "_swept" not in vars(self):
            center, variances = self._mean_and_variance
            return center if self.centered else 0.0 * center, self._above_rounding(variances)
        return self.center, self.variances

    def product(self, v):
        """The Gram matrix times v of shape (n_features,)."""
        if self.with_gram:
            return self.gram @ v
        return self.rows.gram_product(self.center, v[None])[0]

    def largest_row(self, center, inverse_scale, more):
        """max_i of s_i (sum_j (x_ij - center_j)^2 inverse_scale_j + more)."""
        return self._finite(self.rows.largest_row, center, inverse_scale, more)

    def _finite(self, moments, *args):
        """moments(*args), refusing what overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            result = moments(*args)
        last = result[-1] if isinstance(result, tuple) else result
        if np.all(np.isfinite(last)):
            return result
        raise ValueError(
            f"X has values too large to square in {self.rows.dtype.name}: scale its columns, "
            "for example with StandardScaler or MaxAbsScaler."
        )


class SampledMoments(Moments):
    """Exact means and variances; correlations from a sample of the rows.

    For a metric that only guides a search.  With r rows of the sample and d columns the sample's
    correlations C are off by a relative (d / r)^1/2 in any direction; the Gram matrix is that of
    (1 - d / r) C + (d / r) I, with the exact variances on its diagonal: a column that the sample
    hardly saw is measured like any other.

    Parameters
    ----------
    rows, centered
        As in `Moments`.
    every : int
        One row of so many, drawn within each group of as many consecutive ones.
    """

    def __init__(self, rows, *, centered, every):
        super().__init__(rows, centered=centered)
        self.with_gram = False
        self.every = every

    @cached_property
    def gram(self):
        """The matrix described above, of shape (n_features, n_features)."""
        weight, mean, gram = self._finite(self.rows.moments, self.every)
        if not self.centered:
            gram += weight * np.outer(mean, mean)
        gram /= weight
        found = np.diag(gram)
        off = (self.variances > MISJUDGED * found) | (found > MISJUDGED * self.variances)
        scale = np.where(off, np.sqrt(self.variances * inverse_or_zero(found)), 1.0)
        gram *= np.outer(scale, scale)
        gram[np.diag_indices_from(gram)] += self.variances / (self.rows.n_rows // self.every)
        gram[off, off] = self.variances[off]
        return gram


class MergedMoments(Moments):
    """Moments of rows that come in chunks, from those of the chunks.

    Parameters
    ----------
    rows, centered
        As in `Moments`.
    chunks : list of (weight, mean, gram)
        What `Rows.moments` gave for the chunks, under weights of any sum.
    """

    def __init__(self, rows, *, centered, chunks):
        super().__init__(rows, centered=centered)
        self.chunks = chunks

    @cached_property
    def _swept(self):
        """The mean, and the Gram matrix about `center`, from the chunks."""
        weight, mean, gram = merged(self.chunks)
        mean -= self.rows.origin.rows
        gram /= weight
        return mean, gram if self.centered else gram + np.outer(mean, mean)
