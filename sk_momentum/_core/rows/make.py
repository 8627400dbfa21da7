"""Which design holds X."""

from scipy import sparse

from .dense import DenseDesign
from .sparse import SparseDesign


def make_design(X, origin=None, dtype=None):
    """The design of a validated C- or F-ordered ndarray or CSR matrix, about an origin."""
    return SparseDesign(X, origin, dtype) if sparse.issparse(X) else DenseDesign(X, origin, dtype)
