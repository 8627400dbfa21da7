"""The rows of the core: every product is that of the plain array, whatever holds them."""

import pickle

import numpy as np
import pytest
from _core import CONTAINERS, table, weights
from scipy import sparse

from sk_momentum._core.losses import HalfSquaredError
from sk_momentum._core.rows import dense as _dense
from sk_momentum._core.rows import design as _design
from sk_momentum._core.rows import sparse as _sparse_design
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rows.targets import Targets
from sk_momentum._core.rows.vectors import in_place

N, D = 150, 5


@pytest.fixture(params=CONTAINERS)
def container(request):
    return CONTAINERS[request.param]


@pytest.fixture(params=["one block", "many blocks"])
def X(request, monkeypatch):
    """A table that is one block, or many of which the last is short."""
    if request.param == "many blocks":
        monkeypatch.setattr(_dense, "DENSE_BLOCK", 64 * D)
        monkeypatch.setattr(_dense.DenseDesign, "block_rows", lambda self, *_: 64)
        monkeypatch.setattr(_sparse_design.SparseDesign, "block_rows", lambda self, *_: 64)
        monkeypatch.setattr(_design, "LARGEST_PANEL", 64 * D)
        monkeypatch.setattr(_design, "GATHER", 40 * D)
    return table(N, D)


def centred_gram(X, s, center):
    return (X - center).T @ (s[:, None] * (X - center))


@pytest.mark.parametrize("q", [1, 3])
def test_products(X, container, q):
    """Margins and gradients over the blocks, into an array that is given or a new one."""
    design = make_design(container(X))
    rng = np.random.default_rng(0)
    W, R = rng.standard_normal((q, D)), rng.standard_normal((q, N))
    total = np.zeros((q, D))
    seen = np.zeros(N, dtype=int)
    for rows, block in design.blocks:
        out = np.full((q, block.shape[0]), np.nan)
        assert design.forward(W, block, out=out) is out
        np.testing.assert_allclose(out, W @ X[rows].T, rtol=1e-12)
        np.testing.assert_array_equal(design.forward(W, block), out)
        G = np.full((q, D), np.nan)
        assert design.adjoint(R[:, rows], block, out=G) is G
        np.testing.assert_allclose(design.adjoint(R[:, rows], block), G, rtol=1e-14)
        total += G
        seen[rows] += 1
    np.testing.assert_allclose(total, R @ X, rtol=1e-12)
    np.testing.assert_array_equal(seen, 1)
    assert design.max_block_rows == max(block.shape[0] for _, block in design.blocks)


@pytest.mark.parametrize("rows", [None, [0, 3, 4, 80, 149]])
def test_moments(X, container, rows):
    """Weight, mean and Gram matrix, of equal weights and unequal, of all rows or some."""
    design = make_design(container(X))
    part = slice(None) if rows is None else np.array(rows)
    for s in (weights(N), np.full(N, 1 / N)):
        weight, mean, gram = design.moments(s, None if rows is None else part)
        w = s[part] / s[part].sum()
        assert weight == pytest.approx(s[part].sum(), rel=1e-13)
        np.testing.assert_allclose(mean, w @ X[part], rtol=1e-12)
        expected = centred_gram(X[part], s[part], w @ X[part])
        np.testing.assert_allclose(gram, expected, rtol=1e-11, atol=1e-13)


def test_spread_and_sums(X, container):
    design, s = make_design(container(X)), weights(N)
    mean, variances = design.mean_and_variance(s)
    np.testing.assert_allclose(mean, s @ X, rtol=1e-12)
    np.testing.assert_allclose(variances, s @ (X - s @ X) ** 2, rtol=1e-11)
    m = np.linspace(-1, 2, D)
    first, second = design.sums(s, m)
    np.testing.assert_allclose(first, s @ (X - m), rtol=1e-11)
    np.testing.assert_allclose(second, s @ (X - m) ** 2, rtol=1e-11)


@pytest.mark.parametrize("container", CONTAINERS.values())
def test_spread_of_columns_with_large_means(container):
    """A second pass in effect: no digits lost at means of 1e7 spreads; constant is constant."""
    rng = np.random.default_rng(0)
    X = np.c_[1e7 + rng.standard_normal(N), np.full(N, -1e6), np.full(N, 0.1), rng.random(N) < 0.5]
    s = weights(N)
    mean, variances = make_design(container(X)).mean_and_variance(s)
    deviation = X[:, 0] - 1e7
    expected = s @ (deviation - s @ deviation) ** 2
    assert variances[0] == pytest.approx(expected, rel=1e-7)
    assert (variances[1:3] <= 1e-30 * mean[1:3] ** 2).all()
    gram = make_design(container(X)).moments(s)[2]
    assert gram[0, 0] == pytest.approx(expected, rel=1e-7)


def test_row_norms_and_gram_product(X, container):
    design, s = make_design(container(X)), weights(N)
    center, scale = np.linspace(-1, 2, D), np.geomspace(1e-3, 10, D)
    norms = design.weighted_row_norms(center, scale)
    np.testing.assert_allclose(norms, (X - center) ** 2 @ scale, rtol=1e-10)
    V = np.random.default_rng(1).standard_normal((2, D))
    np.testing.assert_allclose(
        design.gram_product(s, center, V), V @ centred_gram(X, s, center), rtol=1e-10
    )


@pytest.mark.parametrize("size", [1, 7, 40, N])
@pytest.mark.parametrize("order", ["as they come", "shuffled", "some"])
def test_batches_hold_every_row_once_in_order(X, container, size, order):
    """Targets go with their rows; only the last batch is short."""
    design = make_design(container(X))
    targets = np.random.default_rng(0).standard_normal((3, N))
    rows = {
        "as they come": None,
        "shuffled": np.random.default_rng(1).permutation(N),
        "some": np.arange(3, N, 2),
    }[order]
    expected = np.arange(N) if rows is None else rows
    seen, sizes = [], []
    for block, part in design.batches(rows, size, targets):
        dense = block.toarray() if sparse.issparse(block) else np.array(block)
        seen.append(np.c_[dense, part.T])
        sizes.append(len(dense))
    np.testing.assert_array_equal(np.vstack(seen), np.c_[X, targets.T][expected])
    assert set(sizes[:-1]) <= {size}
    assert len(sizes) == -(-len(expected) // size)


@pytest.mark.parametrize("size", [1, 7, 40, 64, N, 2 * N])
def test_the_largest_squares_of_a_batch(X, container, size):
    """Column by column over consecutive batches, the short last one too, about any center."""
    design, w = make_design(container(X)), weights(N, total=1.0)
    for center in (np.zeros(D), np.array([0.0, 1.0, -2.0, 0.0, 0.5])):
        squares = w[:, None] * (X - center) ** 2
        sums = [squares[a : a + size].sum(axis=0) for a in range(0, N, size)]
        found = design.largest_batch_squares(w, center, size)
        np.testing.assert_allclose(found, np.max(sums, axis=0) / size, rtol=1e-11)


@pytest.mark.parametrize("rows", [None, [0, 3, 4, 80, 149]])
def test_panels_hold_the_rows_once_and_none_is_empty(X, container, rows):
    design = make_design(container(X))
    panels = list(design.panels(None if rows is None else np.array(rows)))
    assert all(len(block) for _, block in panels)
    np.testing.assert_array_equal(
        np.vstack([block for _, block in panels]), X[rows or slice(None)]
    )
    named = np.concatenate([np.arange(N)[chosen] for chosen, _ in panels])
    np.testing.assert_array_equal(named, np.arange(N)[rows or slice(None)])


def test_columns_and_views(X, container):
    design = make_design(container(X))
    part = design.columns(np.array([3, 0]))
    assert type(part) is type(design)
    assert part.n_features == 2
    np.testing.assert_array_equal(part.dense(part.X), X[:, [3, 0]])
    for a, b in ((0, N), (0, 10), (17, 40), (N - 1, N)):
        np.testing.assert_array_equal(design.dense(design.view(design.X, a, b)), X[a:b])


def test_the_pilot_is_near_the_mean(X, container):
    """Within the spread of each column, so that sums about it lose no digits."""
    rough_mean = make_design(container(X)).rough_mean
    assert (np.abs(rough_mean - X.mean(axis=0)) < X.std(axis=0)).all()
    few = make_design(container(X[:20]))
    np.testing.assert_allclose(few.rough_mean, X[:20].mean(axis=0))
    # 0 will do where it is no farther away than the columns are wide.
    near = np.abs(X[:20].mean(axis=0)) <= X[:20].std(axis=0)
    assert near.any()
    assert not near.all()
    np.testing.assert_allclose(few.near_mean, np.where(near, 0.0, few.rough_mean))


def test_what_a_gram_matrix_costs():
    """d / 30 sweeps for dense rows; d^2 / 240 over the entries of a row for sparse ones."""
    X = table(N, D)
    assert make_design(X).gram_epochs == pytest.approx(D / 30)
    stored = sparse.csr_matrix(X)
    assert make_design(stored).gram_epochs == pytest.approx(D**2 / 240 / (stored.nnz / N))
    wide = sparse.random(20, 2_000, density=0.001, random_state=0, format="csr")
    assert make_design(wide).gram_epochs == pytest.approx(2_000**2 / (240 * wide.nnz / 20))
    assert not make_design(wide).gram_pays
    assert make_design(np.zeros((2, 30 * _design.GRAM_EPOCHS))).gram_pays
    assert not make_design(np.zeros((2, 30 * _design.GRAM_EPOCHS + 1))).gram_pays


def test_empty_rows_and_columns():
    """Rows without an entry, a column without one."""
    X = table(N, D)
    X[::7] = 0.0
    X[:, 2] = 0.0
    design, s = make_design(sparse.csr_matrix(X)), weights(N)
    mean, variances = design.mean_and_variance(s)
    np.testing.assert_allclose(mean, s @ X, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(variances, s @ (X - s @ X) ** 2, rtol=1e-11, atol=1e-16)
    center, scale = np.linspace(-1, 2, D), np.geomspace(1e-3, 10, D)
    norms = design.weighted_row_norms(center, scale)
    np.testing.assert_allclose(norms, (X - center) ** 2 @ scale, rtol=1e-10)


@pytest.mark.parametrize("container", CONTAINERS.values())
def test_no_columns_at_all(container):
    """What is left where a restriction leaves none: margins and moments of nothing."""
    design = make_design(container(table(N, D))).columns(np.array([], dtype=int))
    assert design.n_features == 0
    np.testing.assert_array_equal(design.forward_all(np.zeros((2, 0))), np.zeros((2, N)))
    assert design.adjoint_all(np.ones((2, N))).shape == (2, 0)
    weight, mean, gram = design.moments(weights(N))
    assert weight == pytest.approx(1.0)
    assert (mean.shape, gram.shape) == ((0,), (0, 0))


def unaligned(array):
    """The same values at an odd address."""
    bytes_ = np.empty(array.nbytes + 1, dtype=np.uint8)
    moved = bytes_[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def test_arrays_from_elsewhere_add_up_to_the_same_bits():
    """Aligned and without gaps, copied only where they are not; other things as they are."""
    whole = np.random.default_rng(0).standard_normal((3, 20_001))
    for given in (unaligned(whole), np.repeat(whole, 2, axis=1)[:, ::2]):
        settled = in_place(given)
        assert settled.flags.aligned
        assert settled.flags.c_contiguous
        np.testing.assert_array_equal(settled, whole)
    for fine in (whole, whole.T, None, 3):
        assert in_place(fine) is fine


def test_targets_are_settled_where_they_are_unpickled():
    targets = Targets(np.ones((1, 5)), np.full(5, 0.2), HalfSquaredError(), np.dtype(float))
    arrived = Targets.__new__(Targets)
    own = {name: unaligned(getattr(targets, name)) for name in ("Y", "s")}
    arrived.__setstate__({**vars(targets), **own})
    assert arrived.Y.flags.aligned
    assert arrived.s.flags.aligned
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(targets)).targets, targets.targets)
