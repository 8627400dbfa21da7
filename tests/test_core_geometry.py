"""The geometries of the core: each is a metric, whose steps, norms and bounds belong together."""

import inspect
from itertools import product

import numpy as np
import pytest
from _core import LOSSES, PROBLEMS, make, some_theta, table
from scipy.linalg import eigh

from sk_momentum._core.geometry.curvature import Curvature, CurvatureBound, largest_eigenvalue
from sk_momentum._core.knobs import ColumnScales, Diagonal, Full, Identity, MeanCurvature
from sk_momentum._core.quadratic import QuadraticObjective
from sk_momentum._core.rows import design as _design
from sk_momentum._core.rows.moments import SampledMoments

GEOMETRIES = [Identity, Diagonal, ColumnScales, MeanCurvature, Full]
SCALE_FREE = [Diagonal, Full]
ALPHAS = (0.0, 1e-2, 3.0)


@pytest.fixture(params=[True, False], ids=["intercept", "no intercept"])
def fit_intercept(request):
    return request.param


@pytest.fixture(params=GEOMETRIES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def plain_bound(objective, candidate):
    """H of the module's head in raw coordinates (w, b) of one output, of shape (p, p)."""
    X = objective.rows.design.dense(objective.rows.design.X).astype(np.float64)
    A = np.c_[X, np.ones(len(X))] if objective.fit_intercept else X
    H = objective.loss.curvature_bound * (A.T @ (objective.rows.s[:, None] * A))
    ridge = np.r_[np.ones(X.shape[1]), np.zeros(int(objective.fit_intercept))]
    return H + objective.penalty.l2[candidate, 0, 0] * np.diag(ridge)


def inverse_metric(geometry):
    """P^-1 of every candidate as a matrix, from its steps along units; (m, p, p)."""
    m, k, p = geometry.objective.zeros(len(geometry.l2)).shape
    inverse = np.empty((m, p, p))
    for j in range(p):
        G = np.zeros((m, k, p))
        G[..., j] = 1.0
        inverse[:, :, j] = geometry.direction(G)[:, 0]
    return inverse


@pytest.mark.parametrize(("loss", "container"), PROBLEMS)
def test_a_geometry_is_a_metric(kind, loss, container, fit_intercept):
    """Symmetric, positive, the same for every output; norm^2 = g' P^-1 g; <P^-1 g, v>_P = g v."""
    objective = make(loss, container, alphas=ALPHAS, fit_intercept=fit_intercept)
    geometry = kind(objective)
    inverse = inverse_metric(geometry)
    np.testing.assert_allclose(inverse, inverse.transpose(0, 2, 1), rtol=1e-8, atol=1e-12)
    assert all(np.linalg.eigvalsh(P)[0] > 0 for P in inverse)
    G = some_theta(objective, 3)
    before = G.copy()
    expected = np.einsum("mpq,mkq->mkp", inverse, G)
    np.testing.assert_allclose(geometry.direction(G), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(G, before)
    # Raw coordinates are measured in units of the columns.
    measure = inverse_metric(geometry.units) if kind is Identity else inverse
    square = np.einsum("mkp,mpq,mkq->m", G, measure, G)
    W = objective.coefficients(some_theta(objective, 3, seed=2))
    np.testing.assert_allclose(geometry.norm(G, W) ** 2, square, rtol=1e-9)
    if hasattr(geometry, "inner"):
        V = some_theta(objective, 3, seed=3)
        found = geometry.inner(geometry.direction(G), V)
        np.testing.assert_allclose(found, (G * V).sum(axis=(1, 2)), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", SCALE_FREE)
def test_smoothness_is_one_and_no_more(kind, loss, fit_intercept):
    """P^-1 H has no eigenvalue above 1; without a penalty the largest is 1, to Lanczos' margin."""
    objective = make(loss, alphas=ALPHAS, fit_intercept=fit_intercept)
    geometry = kind(objective)
    np.testing.assert_array_equal(geometry.smoothness, 1.0)
    for i, inverse in enumerate(inverse_metric(geometry)):
        found = eigh(plain_bound(objective, i), np.linalg.inv(inverse), eigvals_only=True)
        assert found[-1] <= 1 + 1e-9
        if kind is Full or ALPHAS[i] == 0:
            # That of the intercept, which decouples, and of the coefficients.
            assert (found[-1 - fit_intercept :] >= 0.99).all()


@pytest.mark.parametrize(("loss", "container"), PROBLEMS)
def test_smoothness_in_raw_coordinates(loss, container, fit_intercept):
    """The largest eigenvalue of the bound, the penalty included."""
    objective = make(loss, container, alphas=ALPHAS, fit_intercept=fit_intercept)
    moments = objective.moments
    for small in (True, False):
        moments.with_gram = small
        L = Identity(objective).smoothness
        without = np.linalg.eigvalsh(plain_bound(objective, 0))[-1]
        np.testing.assert_allclose(L, without * (1 + 5e-4) + np.array(ALPHAS), rtol=6e-4)
        assert (L >= without + np.array(ALPHAS)).all()


@pytest.mark.parametrize("kind", [Identity, Diagonal, Full])
@pytest.mark.parametrize(("loss", "container"), PROBLEMS)
def test_expected_smoothness_of_a_batch(kind, loss, container, fit_intercept, monkeypatch):
    """Between L of all rows and that of the worst row; each row's as its own matrix says."""
    monkeypatch.setattr(_design, "LARGEST_PANEL", 1)
    objective = make(loss, container, n=70, alphas=ALPHAS, fit_intercept=fit_intercept)
    geometry = kind(objective)
    n, s = objective.rows.design.n_rows, objective.rows.s
    X = objective.rows.design.dense(objective.rows.design.X)
    A = np.c_[X, np.ones(n)] if fit_intercept else X
    c, l2 = objective.loss.curvature_bound, np.array(ALPHAS)
    worst = np.empty(3)
    for i, inverse in enumerate(inverse_metric(geometry)):
        rows = n * s * c * np.einsum("rp,pq,rq->r", A, inverse, A)
        ridge = {
            Identity: l2[i],
            Diagonal: l2[i] * np.diag(inverse)[: X.shape[1]].max(),
            Full: 1.0,
        }[kind]
        worst[i] = rows.max() + ridge
    np.testing.assert_allclose(geometry.row_smoothness(), worst, rtol=1e-8)
    L = geometry.smoothness
    np.testing.assert_allclose(geometry.expected_smoothness(1), worst, rtol=1e-8)
    np.testing.assert_array_equal(geometry.expected_smoothness(n), L)
    np.testing.assert_array_equal(geometry.expected_smoothness(n + 5), L)
    for B in (2, 10, 50):
        expected = (n * (B - 1) * L + (n - B) * worst) / (B * (n - 1))
        np.testing.assert_allclose(geometry.expected_smoothness(B), expected, rtol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", GEOMETRIES)
def test_candidates_together_are_each_alone(kind, loss):
    """Also where they share a penalty, and after some have left."""
    alphas = (0.3, 0.0, 0.3, 2.0)
    together = kind(make(loss, alphas=alphas))
    G = some_theta(together.objective, 4)
    kept = np.array([True, False, True, True])
    for step in ("all", "some"):
        if step == "some":
            together.objective.keep(kept)
            together.keep(kept)
            G, alphas = G[kept], np.array(alphas)[kept]
        W = together.objective.coefficients(G)
        directions, norms = together.direction(G.copy()), together.norm(G, W)
        for i, alpha in enumerate(alphas):
            alone = kind(make(loss, alphas=(alpha,)))
            one = slice(i, i + 1)
            np.testing.assert_allclose(directions[one], alone.direction(G[one]), rtol=1e-10)
            np.testing.assert_allclose(norms[one], alone.norm(G[one], W[one]), rtol=1e-10)


@pytest.mark.parametrize("kind", [Identity, Diagonal, ColumnScales])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_proximal_step_minimises(kind, loss, fit_intercept):
    """step l1 |w|_1 + ||theta - start||_P^2 / 2: its subgradient has a 0, row of P by row."""
    objective = make(loss, alphas=(0.5, 0.1), l1_ratio=0.6, fit_intercept=fit_intercept)
    geometry = kind(objective)
    start, step = some_theta(objective, 2), np.array([0.7, 0.2])[:, None, None]
    end = start.copy()
    geometry.prox(end, step)
    d = objective.n_features
    for i, inverse in enumerate(inverse_metric(geometry)):
        pull = (start[i] - end[i]) @ np.linalg.inv(inverse)
        l1 = step[i, 0, 0] * objective.penalty.l1[i, 0, 0]
        w = end[i, :, :d]
        np.testing.assert_allclose(pull[:, :d][w != 0], l1 * np.sign(w[w != 0]), rtol=1e-7)
        assert (np.abs(pull[:, :d][w == 0]) <= l1 * (1 + 1e-9)).all()
        np.testing.assert_allclose(pull[:, d:], 0, atol=1e-9)
    if kind is Identity:
        assert (end[..., :d] == 0).any()


@pytest.mark.parametrize("kind", [Identity, Diagonal, ColumnScales])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_norm_with_an_l1_part_is_that_of_the_least_subgradient(kind, loss):
    """Where w = 0 within l1 of nothing is left; elsewhere l1 sign(w) is added."""
    objective = make(loss, alphas=(0.5,), l1_ratio=0.6)
    geometry, l1 = kind(objective), 0.3
    G, theta = some_theta(objective), some_theta(objective, seed=2)
    W = objective.coefficients(theta)
    W[..., ::2] = 0.0
    given = G.copy()
    metric = geometry.units if kind is Identity else geometry
    center = metric.center
    least = G.copy()
    least[..., :-1] -= center * G[..., -1:]
    g = least[..., :-1]
    g[...] = np.where(W == 0, np.sign(g) * np.maximum(np.abs(g) - l1, 0), g + l1 * np.sign(W))
    raw = least.copy()
    raw[..., :-1] += center * least[..., -1:]
    expected = np.einsum("mkp,mpq,mkq->m", raw, inverse_metric(metric), raw)
    np.testing.assert_allclose(geometry.norm(G, W) ** 2, expected, rtol=1e-9)
    np.testing.assert_array_equal(G, given)


@pytest.mark.parametrize("kind", SCALE_FREE)
def test_a_column_without_variance_stays_out(kind):
    """No step along it, whatever the gradient says; the rest is as without."""
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    X = table()
    with_constant = np.insert(X, 2, 0.1, axis=1)
    alone, beside = (make(loss, X=each, alphas=ALPHAS) for each in (X, with_constant))
    g, G = some_theta(alone, 3), some_theta(beside, 3)
    G[..., [0, 1, 3, 4, 5]] = g
    U = kind(beside).direction(G)
    np.testing.assert_array_equal(U[..., 2], 0.0)
    u = kind(alone).direction(g)
    np.testing.assert_allclose(U[..., [0, 1, 3, 4, 5]], u, rtol=1e-9)


@pytest.mark.parametrize("kind", [Diagonal, ColumnScales, MeanCurvature, Full])
def test_nothing_in_the_columns_at_all(kind):
    """No variance and no penalty: the intercept alone moves, without a warning."""
    objective = make(LOSSES[0], X=np.full((90, 3), 0.1), alphas=(0.0, 0.2))
    G = some_theta(objective, 2)
    U = kind(objective).direction(G)
    np.testing.assert_array_equal(U[..., :3], 0.0)
    np.testing.assert_allclose(U[..., 3], G[..., 3] / objective.loss.curvature_bound)


def test_columns_on_one_scale_keep_it():
    """Within a factor of four P is a multiple of I, if there is a penalty; else it is diag(H)."""
    loss = next(loss for loss in LOSSES if not loss.is_quadratic)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 5))
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    for largest, alike in ((1.9, True), (2.1, False)):
        columns = X * np.array([1, 1, 1.5, 1, largest])
        s = np.full(500, 1 / 500)
        geometry = ColumnScales(make(loss, X=columns, s=s, alphas=(0.0, 0.1)))
        V = loss.curvature_bound * columns.var(axis=0)
        np.testing.assert_allclose(geometry.P[0], V, rtol=1e-9)
        expected = V.mean() + 0.1 if alike else V + 0.1
        np.testing.assert_allclose(geometry.P[1], np.broadcast_to(expected, 5), rtol=1e-9)
        np.testing.assert_allclose(geometry.inverse[:, 0], 1 / geometry.P, rtol=1e-12)


def test_a_violation_is_measured_in_the_columns_own_units():
    """Column by column the least-norm subgradient over the root of P, the worst of all."""
    objective = make(LOSSES[0], alphas=(0.5, 0.2), l1_ratio=0.6)
    geometry = ColumnScales(objective)
    G, theta = some_theta(objective, 2), some_theta(objective, 2, seed=2)
    W = objective.coefficients(theta)
    W[..., ::2] = 0.0
    g = G[..., :-1] - geometry.center * G[..., -1:]
    l1 = objective.penalty.l1
    least = np.where(W == 0, np.sign(g) * np.maximum(np.abs(g) - l1, 0), g + l1 * np.sign(W))
    expected = (np.abs(least) / np.sqrt(geometry.P[:, None])).max(axis=(0, 1))
    np.testing.assert_allclose(geometry.violation(G, W), expected, rtol=1e-10)


@pytest.mark.parametrize(("loss", "container"), PROBLEMS)
def test_a_reweighted_metric_is_the_hessian_where_it_was_taken(loss, container, fit_intercept):
    """H u = g in raw coordinates, for gradients without a shift common to all classes."""
    if loss.is_quadratic:
        assert not Full(make(loss)).can_reweight
        return
    objective = make(loss, container, alphas=(0.2, 0.05), fit_intercept=fit_intercept)
    geometry = Full(objective)
    assert geometry.can_reweight
    theta = some_theta(objective, 2)
    G = some_theta(objective, 2, seed=5)
    if G.shape[1] > 1:
        G -= G.mean(axis=1, keepdims=True)
    bound = geometry.direction(G)
    local = objective.local(objective.all_margins(theta))
    geometry.reweight(local, np.array([True, False]))
    U = geometry.direction(G)
    np.testing.assert_array_equal(U[1], bound[1])
    h = 1e-5
    change = (objective.evaluate(theta + h * U)[1] - objective.evaluate(theta - h * U)[1]) / (
        2 * h
    )
    np.testing.assert_allclose(change[0], G[0], rtol=1e-5, atol=1e-7)
    square = np.einsum("mkp,mkp->m", G, U)
    np.testing.assert_allclose(
        geometry.norm(G, objective.coefficients(theta)), np.sqrt(square), rtol=1e-10
    )
    geometry.objective.keep(np.array([True, False]))
    geometry.keep(np.array([True, False]))
    np.testing.assert_allclose(geometry.direction(G[:1]), U[:1], rtol=1e-10)


def test_reweighting_has_a_price_and_a_limit():
    """d / 30 epochs for one output, (k + 1) / 2 times that for k; up to 1,500 coefficients.

    Of few rows less: of n d k elements n d k / (n d k + calls) times that.
    """
    for loss, n in product(LOSSES, (20, 40)):
        geometry = Full(make(loss, n=n, d=6))
        k = geometry.objective.n_outputs
        for calls in (0, n * 6 * k, 3 * n * 6 * k):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(inspect.getmodule(Full), "CALLS", calls)
                price = 0.2 * (k + 1) / 2 / (1 + calls / (n * 6 * k))
                assert geometry.reweighting_epochs == pytest.approx(price)
    other = next(loss for loss in LOSSES if not loss.is_quadratic)
    geometry = Full(make(other))
    k, p = geometry.objective.n_outputs, geometry.objective.n_parameters
    for limit, moderate in ((k * p, True), (k * p - 1, False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inspect.getmodule(Full), "COUPLED_PARAMETERS", limit)
            assert geometry.can_reweight == moderate


def test_a_curvature_that_underflows_is_a_metric_still():
    """Far from all margins of 0 the Hessian is 0, and its inverse finite and positive."""
    for loss in LOSSES:
        if loss.is_quadratic:
            continue
        objective = make(loss, alphas=(0.0,))
        local = objective.local(objective.all_margins(some_theta(objective, scale=1e6)))
        curvature = Curvature(objective, CurvatureBound(objective), local, 0, 0.0)
        G = some_theta(objective, seed=5)[0]
        if len(G) > 1:
            G -= G.mean(axis=0)
        assert np.isfinite(curvature.direction(G)).all()
        assert (G * curvature.direction(G)).sum() > 0


@pytest.mark.parametrize("scales", [0, 3, 6])
@pytest.mark.parametrize("rank", [6, 4])
def test_the_full_metric_inverts_matrices_of_any_scale_and_rank(rank, scales):
    """H P^-1 H = H for columns that are collinear or not, in units a million times apart."""
    rng = np.random.default_rng(rank)
    X = rng.standard_normal((90, rank)) @ rng.standard_normal((rank, 6)) + 1.0
    D = 10.0 ** np.linspace(-scales, scales, 6)
    geometry = Full(make(LOSSES[0], X=X * D))
    inverse = inverse_metric(geometry)[0][:6, :6] * D[:, None] * D
    Xc = X - geometry.objective.rows.s @ X
    H = geometry.bound.c * Xc.T @ (geometry.objective.rows.s[:, None] * Xc)
    np.testing.assert_allclose(inverse, inverse.T, rtol=1e-9, atol=1e-9 * np.abs(inverse).max())
    np.testing.assert_allclose(H @ inverse @ H, H, rtol=1e-7, atol=1e-8 * np.abs(H).max())
    if rank == 6:
        np.testing.assert_allclose(inverse @ H, np.eye(6), atol=1e-7)


def test_the_largest_eigenvalue():
    """Never below the true one, and at most two in a thousand above; of one column, of nothing."""
    rng = np.random.default_rng(0)
    for d in (1, 2, 3, 10, 60):
        A = rng.standard_normal((d, 2 * d))
        A = A @ A.T
        top = np.linalg.eigvalsh(A)[-1]
        found = largest_eigenvalue(lambda v, A=A: A @ np.ravel(v), d)
        assert top * (1 - 1e-12) <= found <= top * 1.002
    assert largest_eigenvalue(lambda v: 0 * v, 5) == 0.0
    assert largest_eigenvalue(lambda v: 0 * v, 1) == 0.0


def test_an_eigenvalue_that_lanczos_does_not_find(monkeypatch):
    """What is known of it so far, else twice a Rayleigh quotient."""
    from scipy.sparse.linalg import ArpackNoConvergence

    from sk_momentum._core.geometry import curvature as _curvature

    def gives_up(found):
        def eigsh(*args, **kwargs):
            raise ArpackNoConvergence("", np.array(found), np.empty((0, 0)))

        return eigsh

    monkeypatch.setattr(_curvature, "eigsh", gives_up([3.0]))
    assert largest_eigenvalue(lambda v: 3 * v, 4) == pytest.approx(3.0, rel=2e-3)
    monkeypatch.setattr(_curvature, "eigsh", gives_up([]))
    assert largest_eigenvalue(lambda v: 3 * v, 4) == pytest.approx(6.0)


@pytest.mark.parametrize("kind", GEOMETRIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_rounding_bounds_what_float32_makes_of_a_gradient(kind, loss):
    """The norm of the difference between both precisions, wherever; and not by far."""
    exact, coarse = (make(loss, alphas=(0.1,), dtype=dtype) for dtype in (np.float64, np.float32))
    geometry, seen = kind(exact), kind(coarse)
    for seed in range(5):
        theta = some_theta(exact, seed=seed).astype(np.float32).astype(np.float64)
        F, G = exact.evaluate(theta)
        # The rows themselves are rounded to float32, once.
        same = make(loss, alphas=(0.1,), X=table().astype(np.float32).astype(np.float64))
        error = coarse.evaluate(theta)[1] - same.evaluate(theta)[1]
        norm = geometry.norm(error, np.ones_like(exact.coefficients(theta)))
        found = seen.rounding(theta, F)
        assert found.shape == (1,)
        assert norm <= found <= 1e-3 * (1 + geometry.norm(G, exact.coefficients(theta)))


@pytest.mark.parametrize("kind", GEOMETRIES)
def test_moments_or_rows_make_the_same_geometry(kind):
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    G = some_theta(make(loss, alphas=ALPHAS), 3)
    from_rows = kind(make(loss, alphas=ALPHAS)).direction(G)
    from_moments = kind(make(loss, alphas=ALPHAS, kind=QuadraticObjective)).direction(G)
    np.testing.assert_allclose(from_moments, from_rows, rtol=1e-10)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_metric_that_is_given_up_is_made_from_the_rows(fit_intercept):
    """Two columns nearly equal: what they differ in is nothing in a Gram matrix, not in the rows.

    H^-1 X' S r then is the projection of r on the columns.
    """
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    X, rng = table(), np.random.default_rng(0)
    apart = rng.standard_normal(len(X))
    X[:, 1] = X[:, 0] + 1e-9 * apart
    objective = make(loss, X=X, fit_intercept=fit_intercept)
    root, r = np.sqrt(objective.rows.s), rng.standard_normal(len(X))
    ones = np.ones((len(X), int(fit_intercept)))
    span = np.linalg.qr(root[:, None] * np.c_[X[:, [0, 2, 3]], apart, ones])[0]
    expected = span @ (span.T @ (root * r))
    G = objective.zeros(1)
    G[0, 0] = (objective.rows.s * r) @ np.c_[X, ones]
    geometry = Full(objective)

    def off():
        margins = objective.all_margins(geometry.direction(G.copy()))[0, 0]
        return np.abs(root * margins - expected).max()

    assert off() > 1e-2
    geometry.forget(np.array([True]))
    assert off() < 1e-5


def test_the_rows_are_read_for_another_metric_once(monkeypatch):
    """And not at all where only a sample was read for the first."""
    reads = []
    root = CurvatureBound.root_from_rows

    def watched(self, l2):
        reads.append(l2)
        return root(self, l2)

    monkeypatch.setattr(CurvatureBound, "root_from_rows", watched)
    objective, chosen = make(LOSSES[0]), np.array([True])
    geometry = Full(objective)
    for _ in range(3):
        geometry.forget(chosen)
    assert len(reads) == 1
    objective.moments = SampledMoments(objective.rows, centered=True, every=2)
    Full(objective).forget(chosen)
    assert len(reads) == 1


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if not loss.is_quadratic])
def test_a_reweighted_metric_that_is_given_up_is_the_bound_again(loss):
    """Of the candidates that give it up; the others keep theirs."""
    objective = make(loss, alphas=(0.2, 0.05))
    geometry, G = Full(objective), some_theta(objective, 2, seed=5)
    bound = geometry.direction(G).copy()
    local = objective.local(objective.all_margins(some_theta(objective, 2)))
    # Once from the rows, then as it was.
    for _ in range(2):
        geometry.reweight(local, np.ones(2, dtype=bool))
        curvature = geometry.direction(G).copy()
        assert (np.abs(curvature - bound).max(axis=(1, 2)) > 1e-2).all()
        geometry.forget(np.array([True, False]))
        np.testing.assert_allclose(geometry.direction(G)[0], bound[0], rtol=1e-8)
        np.testing.assert_array_equal(geometry.direction(G)[1], curvature[1])


def test_raw_coordinates_that_are_given_up_give_way_to_units():
    """For the candidates chosen alone, also once others have left."""
    objective = make(LOSSES[0], alphas=(1e-3, 1e-2, 1e-1))
    geometry = Identity(objective)
    G = objective.evaluate(objective.null_model(3) + 0.1)[1]
    geometry.forget(np.array([False, True, True]))
    found, units = geometry.direction(G), geometry.units.direction(G)
    np.testing.assert_array_equal(found[0], G[0])
    np.testing.assert_array_equal(found[1:], units[1:])
    assert not np.array_equal(units[1:], G[1:])
    kept = np.array([False, False, True])
    for each in (objective, geometry):
        each.keep(kept)
    np.testing.assert_allclose(geometry.direction(G[kept]), units[kept])
