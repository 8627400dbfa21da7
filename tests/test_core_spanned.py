"""The full geometry of fewer rows than columns, in the span of the rows."""

import numpy as np
import pytest
from _core import LOSSES, from_design, make, some_theta, table
from scipy import sparse
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._core.geometry import spanned
from sk_momentum._core.geometry.curvature import CURVATURE_FLOOR
from sk_momentum._core.knobs import Full, MeanCurvature, Spanned, make_geometry, preconditioner_of
from sk_momentum._core.objective import Objective
from sk_momentum._core.penalties import ElasticNet
from sk_momentum._core.rows import dense
from sk_momentum._core.rows.design import COLUMNS_A_SWEEP, GRAM_EPOCHS
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rows.threaded import ThreadedRows

CURVED = [loss for loss in LOSSES if not loss.is_quadratic]
WIDE = COLUMNS_A_SWEEP * GRAM_EPOCHS + 50


def wide(loss, *, n=20, d=45, alphas=(0.2, 0.05), **facts):
    return make(loss, n=n, d=d, X=table(n, d), alphas=alphas, **facts)


def hessian_of(objective, blocks, l2, share):
    """P in raw coordinates, from blocks (n, k, k) and what the intercept's penalty is."""
    X = objective.rows.design.X
    center = objective.moments.center
    rows = X - center
    if objective.fit_intercept:
        rows = np.column_stack([rows, np.ones(len(X))])
    k, p = blocks.shape[1], rows.shape[1]
    H = np.einsum("nce,nj,nl->cjel", blocks, rows, rows).reshape(k * p, k * p)
    ridge = np.full(p, l2)
    ridge[objective.n_features :] = share
    H += np.diag(np.tile(ridge, k))
    # From (w, b) to (w, b + center . w).
    T = np.eye(p)
    if objective.fit_intercept:
        T[-1, :-1] = center
    T = np.kron(np.eye(k), T)
    return T.T @ H @ T


def second_derivatives(loss, objective, theta):
    """The losses' Hessians in the margins, s_i included, by differences; (n, k, k)."""
    rows = objective.rows
    Z, h = rows.margins(theta), 1e-6
    k = Z.shape[1]
    blocks = np.empty((Z.shape[2], k, k))
    for c in range(k):
        E = np.zeros_like(Z)
        E[:, c] = h
        change = loss.derivative(Z + E, rows.Y, rows.s) - loss.derivative(Z - E, rows.Y, rows.s)
        blocks[:, :, c] = change[0].T / (2 * h)
    return blocks


def compare(geometry, G, P, i):
    """Direction and norm of the i-th candidate are those of the matrix P."""
    U, g = geometry.direction(G)[i], G[i].ravel()
    expected = np.linalg.solve(P, g)
    np.testing.assert_allclose(U.ravel(), expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
    W = geometry.objective.coefficients(G)
    np.testing.assert_allclose(geometry.norm(G, W)[i] ** 2, g @ expected, rtol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_at_first_it_is_the_bound(loss, fit_intercept):
    """P = c sum_i s_i x_i x_i' + l2 for any gradient, the span of the rows' or not."""
    objective = wide(loss, fit_intercept=fit_intercept)
    geometry, G = Spanned(objective), some_theta(objective, 2)
    c, k = loss.curvature_bound, objective.n_outputs
    blocks = c * objective.rows.s[:, None, None] * np.eye(k)
    for i, l2 in enumerate((0.2, 0.05)):
        P = hessian_of(objective, blocks, l2, spanned.INTERCEPT_SHARE * c)
        compare(geometry, G, P, i)
    assert geometry.measures_gap.all() == loss.is_quadratic
    assert geometry.can_reweight != loss.is_quadratic


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", CURVED)
def test_it_is_the_hessian_where_it_was_taken(loss, fit_intercept):
    """Of the candidates chosen, classes coupled."""
    objective = wide(loss, fit_intercept=fit_intercept)
    geometry, theta = Spanned(objective), some_theta(objective, 2)
    G = some_theta(objective, 2, seed=5)
    bound = geometry.direction(G)
    local = objective.local(objective.all_margins(theta))
    geometry.reweight(local, np.array([True, False]))
    np.testing.assert_array_equal(geometry.direction(G)[1], bound[1])
    h = objective.mean_curvature(local)[0]
    blocks = second_derivatives(loss, objective, theta[:1])
    compare(geometry, G, hessian_of(objective, blocks, 0.2, spanned.INTERCEPT_SHARE * h), 0)
    np.testing.assert_array_equal(geometry.measures_gap, [True, False])
    kept = np.array([True, False])
    U = geometry.direction(G)
    objective.keep(kept)
    geometry.keep(kept)
    np.testing.assert_allclose(geometry.direction(G[:1]), U[:1], rtol=1e-12)
    geometry.forget(np.array([True]))
    np.testing.assert_allclose(geometry.direction(G[:1]), bound[:1], rtol=1e-10)


@pytest.mark.parametrize("loss", CURVED)
def test_blocks_that_are_too_many_together_are_their_mean(loss, monkeypatch):
    """The mean curvature of the rows' losses times that of squared error."""
    objective = wide(loss)
    n, k = objective.rows.n_rows, objective.n_outputs
    monkeypatch.setattr(spanned, "COUPLED_PARAMETERS", n * k - 1)
    geometry, theta = Spanned(objective), some_theta(objective, 2)
    local = objective.local(objective.all_margins(theta))
    geometry.reweight(local, np.array([True, True]))
    for i, l2 in enumerate((0.2, 0.05)):
        h = objective.mean_curvature(local)[i]
        blocks = h * objective.rows.s[:, None, None] * np.eye(k)
        P = hessian_of(objective, blocks, l2, spanned.INTERCEPT_SHARE * h)
        compare(geometry, some_theta(objective, 2, seed=5), P, i)
    assert not geometry.measures_gap.any()


@pytest.mark.parametrize("loss", CURVED)
def test_a_curvature_that_underflows_is_a_metric_still(loss):
    """Far from all margins of 0 the Hessian is l2, or nothing: steps are finite and descend."""
    for alpha in (0.0, 0.1):
        objective = wide(loss, alphas=(alpha,))
        geometry, theta = Spanned(objective), some_theta(objective, scale=1e6)
        G = objective.evaluate(theta)[1]
        geometry.reweight(objective.local(objective.all_margins(theta)), np.array([True]))
        U = geometry.direction(G)
        assert np.isfinite(U).all()
        assert (G * U).sum() > 0
    assert CURVATURE_FLOOR > 0


def test_columns_that_no_row_tells_from_the_intercept_stay_out():
    """Whatever the gradient says of them; all of them constant too."""
    for constant in (np.arange(3), np.arange(45)):
        X = table(20, 45)
        X[:, constant] = 0.1
        objective = make(LOSSES[0], X=X, alphas=(0.0, 0.2))
        U = Spanned(objective).direction(some_theta(objective, 2))
        np.testing.assert_array_equal(U[..., constant], 0.0)
        assert np.isfinite(U).all()


def test_when_it_is_chosen():
    """Dense rows, fewer than columns and few enough; for the search for both knobs, without L1."""
    few, limit = make(CURVED[0], n=30, d=WIDE), COLUMNS_A_SWEEP * GRAM_EPOCHS
    auto = {"learning_rate": "auto", "momentum": "auto", "full_batch": True}
    assert preconditioner_of("auto", few, **auto) == "full"
    assert type(make_geometry("full", few, both_auto=True)) is Spanned
    assert type(make_geometry("full", few, both_auto=False)) is Full
    assert type(make_geometry("diagonal", few, both_auto=True)) is MeanCurvature
    assert preconditioner_of("auto", few, **{**auto, "momentum": 0.5}) == "diagonal"
    assert preconditioner_of("auto", few, **{**auto, "full_batch": False}) == "diagonal"
    other = make(CURVED[0], n=30, d=WIDE, l1_ratio=0.5, alphas=(0.1,))
    assert preconditioner_of("auto", other, **auto) == "diagonal"
    X = sparse.random(30, WIDE, density=0.01, random_state=0).toarray()
    assert preconditioner_of("auto", make(CURVED[0], "sparse", X=X), **auto) == "diagonal"
    for d, pays in ((30, False), (31, True)):
        narrow = make(CURVED[0], n=30, d=d)
        assert narrow.rows.gram_pays
        assert narrow.rows.row_gram_pays == pays
        assert type(make_geometry("full", narrow, both_auto=True)) is (Spanned if pays else Full)
    for n, pays in ((limit, True), (limit + 1, False)):
        X = np.broadcast_to(np.arange(limit + 5.0), (n, limit + 5))
        assert make(CURVED[0], X=X).rows.row_gram_pays == pays


def many(kind, n=300, d=500):
    """Rows whose Gram matrix has a flat spectrum, or five large eigenvalues."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    if kind == "factors":
        X = 3 * rng.standard_normal((n, 5)) @ rng.standard_normal((5, d)) + 0.3 * X
    return X


@pytest.mark.parametrize("kind", ["flat", "factors"])
@pytest.mark.parametrize("loss", LOSSES)
def test_float32_is_taken_where_its_rounding_is_small_beside_the_penalty(loss, kind):
    """|E| of B' K B at most half of l2; float64 where it is ten times as much, or l2 is 0."""
    objective = make(loss, X=many(kind))
    rows, center = objective.rows, objective.moments.center
    seen = np.ones(objective.n_features, dtype=bool)
    h = loss.curvature_bound
    root = np.sqrt(h * rows.weights)
    X = rows.design.X - center
    E = (rows.row_gram(center, seen, np.float32) - X @ X.T) * root * root[:, None]
    size = np.linalg.norm(E, 2)
    taken = {}
    for l2 in (0.0, *np.logspace(-9, 1, 41)):
        taken[l2] = rows.row_space(center, seen, h).gram(l2).dtype == np.float32
        assert size <= 0.5 * l2 or not taken[l2]
    assert any(taken.values())
    assert all(taken[l2] for l2 in taken if l2 > 100 * size)
    few = make(loss, X=many(kind, n=20))
    space = few.rows.row_space(few.moments.center, seen, h)
    assert space.gram(10.0).dtype == np.float64


@pytest.mark.parametrize("kind", ["flat", "factors"])
@pytest.mark.parametrize("loss", LOSSES)
def test_directions_of_float32_are_those_of_float64(loss, kind):
    """To |E| / l2, at first and re-weighted; norms too."""
    X, alphas = many(kind), (0.1, 1.0)
    geometries, G = [], None
    for chosen in (np.float32, np.float64):
        objective = make(loss, X=X, alphas=alphas)
        geometry = Spanned(objective)
        assert geometry.space.gram(0.1).dtype == np.float32
        if chosen == np.float64:
            geometry.space.rounding_of_float32 = np.inf
            geometry.forget(np.ones(2, dtype=bool))
        geometries.append(geometry)
    theta = some_theta(objective, 2, scale=0.01)
    G = objective.evaluate(theta)[1]
    for reweighted in (False, geometry.can_reweight):
        for each in geometries:
            if reweighted:
                local = each.objective.local(each.objective.all_margins(theta))
                each.reweight(local, np.ones(2, dtype=bool))
        (U, norm), (exact, exact_norm) = (
            (each.direction(G), each.norm(G, objective.coefficients(theta))) for each in geometries
        )
        assert U.dtype == np.float64
        assert np.isfinite(U).all()
        np.testing.assert_allclose(norm, exact_norm, rtol=0.02)
        error = np.linalg.norm((U - exact).reshape(2, -1), axis=1)
        assert np.all(error <= 0.05 * np.linalg.norm(exact.reshape(2, -1), axis=1))
        assert error.any()


def test_every_candidate_has_the_arithmetic_that_it_has_alone():
    """Those whose penalty hides what float32 rounds, and those whose does not."""
    X, alphas = many("factors"), (1e-9, 1.0)
    together = Spanned(make(LOSSES[0], X=X, alphas=alphas))
    G = some_theta(together.objective, 2)
    U = together.direction(G)
    for i, alpha in enumerate(alphas):
        alone = Spanned(make(LOSSES[0], X=X, alphas=(alpha,)))
        assert alone.space.gram(alpha).dtype == (np.float64, np.float32)[i]
        np.testing.assert_allclose(alone.direction(G[i : i + 1])[0], U[i], rtol=1e-6, atol=1e-12)


def test_panels_of_columns_make_the_same_gram_matrix(monkeypatch):
    """Whatever their width, of chosen columns and of all."""
    X = many("flat", n=30)
    objective = make(LOSSES[0], X=X)
    center = objective.moments.center
    for columns in (np.arange(500), np.arange(3, 300), np.flatnonzero(np.arange(500) % 3)):
        rows = (X - center)[:, columns]
        for share in (1, 16, 500):
            monkeypatch.setattr(dense, "ROW_GRAM_SHARE", share)
            monkeypatch.setattr(dense, "LARGEST_PANEL", 1)
            for dtype, rtol in ((np.float64, 1e-12), (np.float32, 1e-5)):
                K = objective.rows.design.row_gram(center, columns, dtype)
                assert K.dtype == dtype
                np.testing.assert_allclose(K, rows @ rows.T, rtol=rtol, atol=500 * rtol)


def genes(n=50, d=WIDE, *, seed=0):
    """Columns of scales over four orders of magnitude, of a few common factors; a target."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n, 5))
    X = factors @ rng.standard_normal((5, d)) + 0.3 * rng.standard_normal((n, d))
    X = np.exp(0.5 * X + rng.normal(scale=2.0, size=d))
    return X, factors[:, 0] + 0.2 * rng.standard_normal(n)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_ridge_on_columns_as_they_come(fit_intercept, weighted):
    """The coefficients of an oracle, of several targets, in one epoch or two."""
    X, y = genes()
    Y = np.column_stack([y, np.exp(y)])
    s = np.random.default_rng(1).uniform(0.1, 3.0, len(y)) if weighted else None
    for alpha in (1e-3, 1.0, 1e3):
        model = MomentumLinearRegressor(alpha=alpha, fit_intercept=fit_intercept, tol=1e-8)
        model.fit(X, Y, sample_weight=s)
        total = len(y) if s is None else s.sum()
        oracle = Ridge(alpha * total, fit_intercept=fit_intercept, solver="svd")
        oracle.fit(X, Y, sample_weight=s)
        assert model.preconditioner_ == "full"
        assert model.n_iter_ <= 2
        size = np.abs(oracle.coef_).max()
        np.testing.assert_allclose(model.coef_, oracle.coef_, atol=1e-8 * size)
        np.testing.assert_allclose(model.intercept_, oracle.intercept_, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bins", [2, 3])
def test_classes_on_columns_as_they_come(bins, dtype):
    """Converges in a few epochs to the optimum of another geometry; rows in any order."""
    X, y = genes()
    X, labels = X.astype(dtype), np.digitize(y, np.quantile(y, np.arange(1, bins) / bins))
    settings = {"alpha": 0.1, "tol": 1e-7}
    model = MomentumLogisticClassifier(**settings).fit(X, labels)
    assert model.status_ == "converged"
    assert model.n_iter_ < 25
    assert model.coef_.dtype == dtype
    F = model.loss_history_
    assert (np.diff(F) <= 1e-12).all()
    residual = model.predict_proba(X) - np.eye(bins)[labels]
    residual = residual[:, 1:] if bins == 2 else residual
    g = residual.T @ X / len(y) + 0.1 * model.coef_
    # F - F* <= |g|^2 / (2 alpha), at the best intercept.
    assert np.abs(residual.mean(axis=0)).max() < (1e-6 if dtype is np.float64 else 1e-4)
    assert np.square(g).sum() / 0.2 <= (1e-9 if dtype is np.float64 else 1e-5) * F[0]
    order = np.random.default_rng(0).permutation(len(y))
    again = MomentumLogisticClassifier(**settings).fit(X[order], labels[order])
    size = np.abs(model.coef_).max()
    np.testing.assert_allclose(again.coef_, model.coef_, atol=2e-5 * size)


def test_rows_twice_are_rows_of_twice_the_weight():
    """K is then singular, and P as good as ever."""
    X, y = genes()
    once = MomentumLogisticClassifier(alpha=0.1, tol=1e-8).fit(X, y > 0)
    twice = MomentumLogisticClassifier(alpha=0.1, tol=1e-8)
    twice.fit(np.vstack([X, X]), np.append(y, y) > 0)
    size = np.abs(once.coef_).max()
    np.testing.assert_allclose(twice.coef_, once.coef_, atol=1e-7 * size)


def test_threads_change_nothing():
    """Rows of several chunks are those of one, to the last bit on any number of threads."""
    X, y = genes(300, 4000)
    fits = []
    for number in (1, 2):
        with threadpool_limits(limits=number, user_api="blas"):
            fits.append(MomentumLogisticClassifier(alpha=0.1).fit(X, y > 0))
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    objectives = [
        from_design(
            Objective,
            design=make_design(X),
            Y=np.sign(y)[None],
            s=np.full(300, 1 / 300),
            loss=CURVED[0](),
            penalty=ElasticNet((0.1,), 0.0, np.float64),
        )
        for _ in range(2)
    ]
    rows = objectives[1].rows
    objectives[1].rows = ThreadedRows(design=rows.design, Y=rows.Y, s=rows.s, loss=rows.loss)
    assert len(objectives[1].rows.chunks) > 1
    G = objectives[0].evaluate(some_theta(objectives[0], scale=1e-3))[1]
    U, V = (Spanned(objective).direction(G) for objective in objectives)
    np.testing.assert_allclose(U, V, rtol=1e-7, atol=1e-9 * np.abs(U).max())


def test_without_a_penalty_rows_are_interpolated():
    """Any target is met, and none of it with a step off the span of the rows."""
    X, y = genes()
    model = MomentumLinearRegressor(alpha=0).fit(X, y)
    assert model.status_ == "converged"
    assert model.score(X, y) > 1 - 1e-6
    centred = X - X.mean(axis=0)
    w = model.coef_
    inside = centred.T @ np.linalg.lstsq(centred.T, w, rcond=None)[0]
    np.testing.assert_allclose(inside, w, atol=1e-6 * np.abs(w).max())
