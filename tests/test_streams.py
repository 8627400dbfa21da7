"""A stream: what a call of partial_fit costs, what it may do at worst, and what it may not."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from _data import LOSSES, MOMENTUM_TYPES, assert_same_model, plain, problem
from _pairs import pairs
from _streams import AT_THE_END, AUTO, WORST, classes_of, progressive, ratios, synthetic_streams
from scipy import sparse

from sk_momentum import DivergenceWarning, MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._core.rows import streamed as _streamed
from sk_momentum._core.rows.streamed import ARRAYS
from sk_momentum._estimators.streams import scatter as _scatter

KNOBS = {
    "numeric": {},
    "auto": AUTO,
    "auto_no_penalty": {**AUTO, "alpha": 0.0},
    "auto_large_alpha": {**AUTO, "alpha": 0.5},
    "auto_rate": {"learning_rate": "auto", "preconditioner": "auto"},
    "diagonal": {"preconditioner": "diagonal"},
    "average": {"average": True},
    "auto_average": {**AUTO, "average": True},
    "l1": {"l1_ratio": 0.5},
    "auto_l1": {**AUTO, "l1_ratio": 0.5},
    "no_intercept": {**AUTO, "fit_intercept": False},
    "no_momentum": {"momentum": 0.0},
}


def text_like(loss, n_columns=400, n_rows=120, seed=0):
    """Few entries a row, of many columns; one column is full and has a large mean."""
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, n_columns + 1)
    columns = rng.choice(n_columns, size=(n_rows, 6), p=frequency / frequency.sum())
    X = np.zeros((n_rows, n_columns))
    X[np.arange(n_rows)[:, None], columns] = rng.uniform(0.5, 2.0, size=columns.shape)
    X[:, 7] = 20 + rng.standard_normal(n_rows)
    z = X @ rng.standard_normal(n_columns) / 5
    if loss == "squared":
        return X, z + rng.standard_normal(n_rows)
    if loss == "several_targets":
        return X, np.c_[z, -z, z**2] + rng.standard_normal((n_rows, 3))
    if loss == "binary":
        return X, (z > np.median(z)).astype(int)
    return X, np.digitize(z, np.quantile(z, [0.3, 0.6]))


CASES = [(knobs, "ema", loss, 4) for knobs in KNOBS for loss in ("squared", "multinomial")]
CASES += [(knobs, "ema", loss, None) for knobs in ("numeric", "auto") for loss in LOSSES]
CASES += [(knobs, kind, "binary", 4) for knobs in ("numeric", "auto") for kind in MOMENTUM_TYPES]


@pytest.mark.parametrize(("knobs", "kind", "loss", "batch_size"), CASES)
def test_columns_that_a_call_does_not_show_move_all_the_same(loss, knobs, kind, batch_size):
    """Sparse rows touch few columns a call; coefficients and facts are those of dense rows."""
    X, y = text_like(loss, n_rows=60)
    settings = {"batch_size": batch_size, "learning_rate": 0.002, **KNOBS[knobs]}
    dense, few = plain(loss, kind, **settings), plain(loss, kind, **settings)
    for start in range(0, len(y), 10):
        rows = slice(start, start + 10)
        dense.partial_fit(X[rows], y[rows], **classes_of(loss, y))
        few.partial_fit(sparse.csr_array(X[rows]), y[rows], **classes_of(loss, y))
        few = pickle.loads(pickle.dumps(few))
        assert_same_model(few, dense, atol=1e-9)
        np.testing.assert_allclose(few.learning_rate_, dense.learning_rate_, rtol=1e-9)
        norms = few.history_["gradient_norm"], dense.history_["gradient_norm"]
        np.testing.assert_allclose(*norms, rtol=1e-7)


def by_hand(model):
    model.coef_[..., 11] = 0.1


def by_a_fit(model):
    X, y = text_like("binary", n_columns=300, n_rows=200, seed=1)
    model.set_params(warm_start=True, max_iter=2, tol=None)
    model.fit(sparse.csr_array(X), y)


def by_other_knobs(model):
    model.set_params(learning_rate=0.001, momentum="auto" if model.momentum != "auto" else 0.5)


@pairs(
    knobs=["numeric", "auto"],
    fit_intercept=[True, False],
    between=[by_hand, by_a_fit, by_other_knobs],
)
def test_listed_columns_are_those_of_whole_arrays(knobs, fit_intercept, between, monkeypatch):
    """While few columns have been seen, from then on, and after a change from outside."""
    X, y = text_like("binary", n_columns=300, n_rows=200, seed=1)
    settings = {**KNOBS[knobs], "batch_size": 5, "alpha": 0.01, "fit_intercept": fit_intercept}

    def streamed(most):
        monkeypatch.setattr(_scatter, "MOST_MOVING", most)
        monkeypatch.setattr(_streamed, "MOST_LISTED", most / 2)
        model, listed = plain("binary", **settings), []
        for call, start in enumerate(range(0, len(y), 10)):
            if call == 10:
                between(model)
            rows = slice(start, start + 10)
            model.partial_fit(sparse.csr_array(X[rows]), y[rows], classes=[0, 1])
            state = model._state
            listed.append((state.descent.columns is not None, len(state.stream.recent) > 0))
        return model, np.array(listed)

    whole, none = streamed(0.0)
    assert not none.any()
    for most in (0.3, 1.0):
        model, listed = streamed(most)
        assert_same_model(model, whole, atol=1e-12)
        for name in ARRAYS:
            arrays = (each._state.stream.values(name, None) for each in (model, whole))
            np.testing.assert_allclose(*arrays, rtol=1e-12, atol=1e-15)
        assert listed[0, 0]
        assert listed[:, 0].all() == (most == 1)
        assert listed[:, 1].any() == (knobs == "auto")


def test_a_fit_goes_on_with_the_velocities_of_a_stream(monkeypatch):
    X, y = text_like("binary", n_rows=40)
    X, models = sparse.csr_array(X), []
    for most in (0.0, 1.0):
        monkeypatch.setattr(_scatter, "MOST_MOVING", most)
        model = plain("binary", momentum=0.95, warm_start=True, max_iter=3, tol=None)
        model.partial_fit(X[:5], y[:5], classes=[0, 1])
        assert (model._state.descent.columns is None) == (most == 0)
        models.append(model.fit(X, y))
    assert_same_model(*models, atol=1e-15)


@pytest.mark.parametrize("knobs", ["numeric", "auto"])
def test_a_call_works_in_the_columns_of_its_rows(knobs, monkeypatch):
    """No array that a descent sees is as wide as the table."""
    from sk_momentum._estimators.streams import call as _streams

    widths = []

    def descend(**facts):
        widths.append(facts["theta"].shape[-1])
        return original(**facts)

    original = _streams.descend
    monkeypatch.setattr(_streams, "descend", descend)
    X, y = text_like("binary", n_columns=5000)
    model = plain("binary", **KNOBS[knobs])
    for start in range(0, len(y), 10):
        X_call = sparse.csr_matrix(X[start : start + 10])
        model.partial_fit(X_call, y[start : start + 10], classes=[0, 1])
    assert max(widths) <= 10 * 7 + 1


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_moments_of_chunks_are_those_of_the_whole(container):
    """Mean, and scale where no batch stands out, whatever the calls."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 5)) * np.logspace(-3, 3, 5) + np.array([0, 0, 1e3, -20, 0])
    X[:, 4] = rng.random(600) < 0.3
    y, weights = rng.standard_normal(600), rng.uniform(0.5, 2, 600)
    model = MomentumLinearRegressor()
    for rows in np.split(np.arange(600), [100, 130, 400]):
        model.partial_fit(container(X[rows]), y[rows], sample_weight=weights[rows])
    record = model._state.stream
    mean = np.average(X, axis=0, weights=weights)
    np.testing.assert_allclose(record.rough_mean + record.first / record.weight, mean, rtol=1e-12)
    variance = np.average(np.square(X - mean), axis=0, weights=weights)
    center, moment = record.moments(centered=True)
    offset = mean**2 > variance
    np.testing.assert_allclose(center, np.where(offset, mean, 0), rtol=1e-12)
    np.testing.assert_allclose(moment, variance + np.where(offset, 0, mean**2), rtol=1e-9)
    assert record.n_rows == 600
    assert (record.scale(center) >= moment * (1 - 1e-12)).all()


@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("loss", LOSSES)
def test_good_batches_after_a_bad_one_still_move_the_coefficients(loss, container, kind):
    """A step that is not finite is undone with its velocity; the next one is that of a start."""
    X, y = text_like(loss)
    model = plain(loss, kind, learning_rate=0.002)
    model.partial_fit(container(X[:40]), y[:40], **classes_of(loss, y))
    good, coef = copy.deepcopy(model), model.coef_.copy()
    bad = X[40:44] * 1e5
    with pytest.warns(DivergenceWarning):
        model.set_params(learning_rate=1e308).partial_fit(container(bad), y[40:44])
    np.testing.assert_array_equal(model.coef_, coef)
    model.set_params(learning_rate=0.002).partial_fit(container(X[44:]), y[44:])
    moved = model.coef_ - coef
    assert np.isfinite(moved).all()
    good._state = replace(good._state, descent=replace(good._state.descent, rule=None))
    good.partial_fit(container(X[44:]), y[44:])
    np.testing.assert_allclose(model.coef_, good.coef_, rtol=0, atol=1e-12)
    assert np.abs(moved).max() > 0


@pairs(loss=LOSSES, fit_intercept=[True, False], knobs=KNOBS, n_columns=[1, 6])
def test_rows_without_entries(loss, fit_intercept, knobs, n_columns):
    """One column, or a few; before, between and after rows that show something: as dense ones."""
    rng = np.random.default_rng(0)
    nothing, some = np.zeros((6, n_columns)), rng.standard_normal((6, n_columns))
    some[3:] = 0.0
    _, y = problem(loss)
    y = y[:6] if loss in ("squared", "several_targets") else np.arange(6) % len(np.unique(y))
    found = []
    for container in (sparse.csr_matrix, np.asarray):
        settings = {**KNOBS[knobs], "batch_size": 2, "fit_intercept": fit_intercept}
        model = plain(loss, **settings)
        for X in (nothing, nothing, some, nothing, -some):
            model.partial_fit(container(X), y, **classes_of(loss, y))
        found.append(model)
    assert_same_model(*found, atol=1e-9)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_small_numbers_are_not_too_large(container):
    """Most rows of the first call are 0, and nothing else says how large a row is."""
    X, y = np.zeros((6, 3)), np.arange(6.0)
    for value in (1e-3, 0.5, 1.0, 30.0):
        X[0, 1] = value
        model = MomentumLinearRegressor(alpha=0.0, fit_intercept=False)
        assert np.isfinite(model.partial_fit(container(X), y).coef_).all()


@pytest.mark.parametrize("knobs", ["numeric", "auto"])
@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_a_batch_of_weight_0_changes_nothing(loss, knobs):
    X, y = problem(loss)
    weights = {0: 0.0, 1: 1.0, 2: 2.0} if loss == "multinomial" else {0: 0.0, 1: 1.0}
    model = plain(loss, class_weight=weights, **KNOBS[knobs])
    idle = model.partial_fit(X[y == 0], y[y == 0], classes=np.unique(y))
    assert idle is model
    assert not hasattr(model, "coef_")
    model.partial_fit(X, y)
    before = pickle.dumps(model)
    model.partial_fit(X[y == 0], y[y == 0])
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_rows_of_weight_0_alone_are_an_error_elsewhere(loss):
    X, y = problem(loss)
    nothing = X[y == 0], y[y == 0]
    model = plain(loss, class_weight={0: 0.0, 1: 1.0, **({2: 1.0} if loss != "binary" else {})})
    with pytest.raises(ValueError, match="class_weight.*weight 0.*X_val"):
        model.fit(X, y, X_val=nothing[0], y_val=nothing[1])
    model.set_params(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="class_weight.*weight 0"):
        model.fit(*nothing)


def test_one_bad_row_does_not_stop_a_stream():
    """A consistent row ten thousand times as large, in the fifth batch."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 5))
    w = np.array([1.0, 2.0, 0.5, -1.0, 0.0])
    X[90] *= 1e4
    y = X @ w + 0.1 * rng.standard_normal(4000)
    model = MomentumLinearRegressor()
    for start in range(0, len(y), 20):
        model.partial_fit(X[start : start + 20], y[start : start + 20])
    np.testing.assert_allclose(model.coef_, w, atol=0.1)


def test_scales_are_found_out_before_a_step():
    """The step of a row that wakes a column, however large, is bounded by the row itself."""
    for factor in (1e3, 1e6, 1e9):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((400, 3)) * [1, 1, 1 / factor]
        y = X[:, 0] + rng.standard_normal(400)
        X[200:, 2] *= factor
        model = MomentumLinearRegressor(batch_size=20)
        for start in range(0, 400, 40):
            model.partial_fit(X[start : start + 40], y[start : start + 40])
            assert model.loss_history_[-1] <= 2 * model.loss_history_[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_stream_does_not_depend_on_scales_and_offsets(loss, dtype):
    """On auto, without a penalty, in the units of every column."""
    X, y = problem(loss)
    X = X.astype(dtype)
    settings = {**AUTO, "alpha": 0.0, "batch_size": 10}
    model, other = plain(loss, **settings), plain(loss, **settings)
    scales = 2.0 ** np.resize([-10, 0, 10], X.shape[1])
    for _ in range(3):
        model.partial_fit(X, y, **classes_of(loss, y))
        other.partial_fit((X * scales).astype(dtype), y, **classes_of(loss, y))
    np.testing.assert_allclose(other.coef_ * scales, model.coef_, rtol=1e-3, atol=1e-5)


def test_a_stream_goes_on_from_a_fit():
    """The rows fitted count: the first call does not start the learning rate anew."""
    X, y = problem("squared")
    fresh = MomentumLinearRegressor(batch_size=20).partial_fit(X[:100], y[:100])
    model = MomentumLinearRegressor(batch_size=20).fit(X, y).partial_fit(X[:100], y[:100])
    assert model.learning_rate_ < fresh.learning_rate_


@pytest.mark.parametrize("estimator", [MomentumLinearRegressor, MomentumLogisticClassifier])
def test_the_learning_rate_is_the_formula(estimator):
    """lambda B / (tau_0 (1 + n / tau_0)^0.6), tau_0 = 4 (1 - beta) lambda B + 3 q."""
    X, y = problem("binary")
    for kind, beta, steady in (("ema", 0.9, 1.0), ("heavy_ball", 0.9, 10.0), ("ema", 0.0, 1.0)):
        momentum = "auto" if beta else 0.0
        model = estimator(momentum=momentum, momentum_type=kind, batch_size=16)
        for rows in np.split(np.arange(500), [100, 350]):
            model.partial_fit(X[rows], y[rows], **classes_of(estimator and "binary", y)) if (
                estimator is MomentumLogisticClassifier
            ) else model.partial_fit(X[rows], y[rows])
        record = model._state.stream
        together = min(1, 2 * (1 - beta)) * 2 * 16 * record.smoothness
        shortest = together + 3 * record.largest_row
        eta = record.smoothness * 16 / (shortest * (1 + 500 / shortest) ** 0.6)
        # lambda is that of the last call where it is larger than the mean.
        assert model.learning_rate_ * steady == pytest.approx(eta, rel=0.2)
        assert model.momentum_ == beta


@pytest.mark.parametrize("name", synthetic_streams(2000))
def test_the_loss_before_a_chunk_never_runs_away(name):
    """Beside the better of SGD with hindsight and the null model, chunk by chunk."""
    worst, last = ratios(progressive(synthetic_streams(20_000)[name]))
    assert worst <= WORST
    assert last <= AT_THE_END


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_scale_that_goes_up_takes_the_coefficient_down(loss, container):
    """By the root of the curvatures, and with it b, so that b + center . w stays: once."""
    from sk_momentum._estimators.checked_rows import Rows
    from sk_momentum._estimators.problem import settings_of
    from sk_momentum._estimators.state import last_fit
    from sk_momentum._estimators.streams.call import StreamCall

    X, y = problem(loss)
    X = X + np.eye(X.shape[1])[0] * 50
    model = plain(loss, **AUTO).partial_fit(container(X), y, **classes_of(loss, y))
    before = model._state.stream.values("highest", None).copy()
    louder = X.copy()
    louder[:, 0] = 50 + 3 * (X[:, 0] - 50)
    louder[:, 1] = 30 * X[:, 1]
    weights = np.ones(len(y))
    codes = y.reshape(len(y), -1) if loss in ("squared", "several_targets") else y
    k = len(np.atleast_2d(model.coef_))
    rows = Rows(container(louder), codes, weights, k)
    call = StreamCall(settings_of(model), rows, model._loss(k), last_fit(model), None)
    theta = call.start.copy()
    assert call._shrink([theta])
    highest = call.objective.moments.record.highest
    c, l2 = call.objective.loss.curvature_bound, model.alpha
    factor = np.sqrt((c * before + l2) / (c * np.maximum(highest, before) + l2))
    assert factor[0] < 0.7
    assert factor[1] < 0.1
    np.testing.assert_allclose(theta[:, :-1], call.start[:, :-1] * factor, rtol=1e-12)
    center = call.objective.moments.center
    assert center[0] > 49
    for point in (theta, call.start):
        point[:, -1] += point[:, :-1] @ center
    np.testing.assert_allclose(theta[:, -1], call.start[:, -1], rtol=1e-10, atol=1e-10)
    again = model.partial_fit(container(louder), y)
    call = StreamCall(settings_of(again), rows, again._loss(k), last_fit(again), None)
    # Rows that were large beside the old scales count in full by and by.
    assert call.objective.moments.shrinkage[1] > 0.5


def test_a_stream_of_float32_carries_the_digits_that_its_coefficients_lose():
    """Of few columns in play as of all: the next call goes on from the iterate itself."""
    rng = np.random.default_rng(0)
    X = sparse.random(60, 400, 0.01, format="csr", random_state=0, dtype=np.float32)
    y = rng.standard_normal(60)
    for rows in (X, X.toarray()):
        model = MomentumLinearRegressor().partial_fit(rows, y)
        point, coef = model._state.descent.point, model.coef_
        assert coef.dtype == np.float32
        exact = point[0, :-1]
        np.testing.assert_array_equal(exact.astype(np.float32), coef)
        assert (exact != coef).any()
