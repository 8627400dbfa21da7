"""Which design holds X, and which rows a design makes."""

from scipy import sparse

from .dense import DenseDesign
from .memory import MemoryRows
from .sparse import SparseDesign
from .threaded import ThreadedRows, cuts, elements_of


def make_design(X, origin=None, dtype=None):
    """The design of a validated C- or F-ordered ndarray or CSR matrix, about an origin."""
    return SparseDesign(X, origin, dtype) if sparse.issparse(X) else DenseDesign(X, origin, dtype)


def make_rows(*, design, Y, s, loss, n_outputs, origin=None):
    """Rows in memory: of more than one chunk, threads share them."""
    kind = ThreadedRows if several_chunks(design.X, n_outputs) else MemoryRows
    return kind(design=design, Y=Y, s=s, loss=loss, origin=origin, n_outputs=n_outputs)


def several_chunks(X, n_outputs):
    """Whether rows are enough for threads to share them."""
    return len(cuts(X.shape[0], elements_of(X, n_outputs))) > 1
