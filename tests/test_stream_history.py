"""stream_history_: a row a call, bounded; drawn, and judged."""

import pickle

import numpy as np
import pandas as pd
import pytest
from _data import LOSSES, plain, problem
from _twin import mean_loss

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier, diagnose
from sk_momentum._estimators.streams.history import FACTS, LARGEST, StreamHistory

AUTO = {"learning_rate": "auto", "momentum": "auto", "preconditioner": "auto"}


def classes_of(loss, y):
    return {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}


@pytest.mark.parametrize("knobs", [{}, {"average": True}, {"l1_ratio": 0.5, "alpha": 0.2}, AUTO])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_losses_are_those_of_the_rows_before_and_after(loss, knobs):
    """Mean losses without the penalty, recomputed by independent code."""
    X, y = problem(loss)
    model = plain(loss, batch_size=4, **knobs).partial_fit(X, y, **classes_of(loss, y))
    before, after = [None], [mean_loss(model, X, y, loss=loss)]
    for rows in (slice(None, None, 2), slice(1, None, 3), slice(None)):
        before.append(mean_loss(model, X[rows], y[rows], loss=loss))
        model.partial_fit(X[rows], y[rows])
        after.append(mean_loss(model, X[rows], y[rows], loss=loss))
    history = model.stream_history_
    np.testing.assert_allclose(history["loss_before"][1:], before[1:], rtol=1e-10)
    np.testing.assert_allclose(history["loss_after"], after, rtol=1e-10)
    sizes = [len(y), len(y[::2]), len(y[1::3]), len(y)]
    np.testing.assert_array_equal(history["n_seen"], np.cumsum(sizes))
    assert history["learning_rate"][-1] == model.learning_rate_
    assert history["momentum"][-1] == model.momentum_


def test_it_is_a_data_frame_of_its_own():
    X, y = problem("squared")
    model = MomentumLinearRegressor(0.1, 0.5)
    for _ in range(5):
        model.partial_fit(X, y)
    frame = pd.DataFrame(model.stream_history_)
    assert list(frame) == list(FACTS)
    assert len(frame) == 5
    model.stream_history_["loss_after"][:] = -1
    assert (model.stream_history_["loss_after"] > 0).all()
    copied = pickle.loads(pickle.dumps(model)).stream_history_
    pd.testing.assert_frame_equal(pd.DataFrame(copied), frame)


def test_fit_begins_anew():
    X, y = problem("squared")
    model = MomentumLinearRegressor(0.1, 0.5, warm_start=True, max_iter=3, tol=None)
    assert not hasattr(model, "stream_history_")
    model.partial_fit(X, y).fit(X, y)
    with pytest.raises(AttributeError, match=r"partial_fit.*history_"):
        _ = model.stream_history_
    np.testing.assert_array_equal(model.partial_fit(X, y).stream_history_["n_seen"], [len(y)])


def test_thinned_out_as_it_grows():
    """Evenly spaced from the first call on, and the last call always."""
    history = StreamHistory.empty()
    for call in range(5 * LARGEST + 3):
        facts = {name: float(call) for name in FACTS}
        history = history.with_call(**facts)
        calls = history.columns()["loss_before"]
        assert len(calls) <= LARGEST
        assert calls[-1] == call
        if call % 97 == 0 and len(calls) > 2:
            spacing = calls[1] - calls[0]
            assert calls[0] == 0
            assert (np.diff(calls[:-1]) == spacing).all()
            assert 0 < calls[-1] - calls[-2] <= spacing
    assert history.table.shape[0] == LARGEST
    assert spacing == 8


def streamed(y_of, n_calls=30, **settings):
    """Rows of three columns, their targets given by the number of the call."""
    rng = np.random.default_rng(0)
    model = MomentumLinearRegressor(batch_size=10, **settings)
    for call in range(n_calls):
        X = rng.standard_normal((50, 3))
        model.partial_fit(X, y_of(X, call) + 0.1 * rng.standard_normal(50))
    return model


def signal(X, call):
    return X @ [1.0, 2.0, -1.0]


def noise(X, call):
    return np.random.default_rng(call).standard_normal(len(X))


def growing(X, call):
    return noise(X, call) * (1 + 0.1 * call)


def exploding(X, call):
    return noise(X, call) * 1.5**call


NUMERIC = {"learning_rate": 0.05, "momentum": 0.5}
STREAMS = [
    (signal, {}, "falling", {}),
    (signal, NUMERIC, "falling", {}),
    (noise, {}, "flat", {}),
    (noise, NUMERIC, "flat", {"schedule": "invscaling"}),
    (noise, {**NUMERIC, "schedule": "invscaling"}, "flat", {}),
    (growing, {}, "rising", {}),
    (growing, NUMERIC, "rising", {"learning_rate": "auto", "momentum": "auto"}),
    (exploding, {}, "diverging", {}),
    (exploding, NUMERIC, "diverging", {"learning_rate": "auto", "momentum": "auto"}),
]


@pytest.mark.parametrize(("y_of", "settings", "direction", "params"), STREAMS)
def test_diagnose_judges_a_stream(y_of, settings, direction, params):
    diagnosis = diagnose(streamed(y_of, **settings))
    assert diagnosis.verdict == f"{direction} in a stream"
    assert diagnosis.params == params
    assert "before its steps went from" in diagnosis.advice
    for name, value in params.items():
        assert f"{name}={value!r}" in diagnosis.advice


def test_few_calls_say_nothing_yet():
    diagnosis = diagnose(streamed(signal, n_calls=3))
    assert (diagnosis.verdict, diagnosis.params) == ("in a stream", {})


@pytest.mark.parametrize("name", [None, "stream"])
def test_a_stream_is_drawn_over_its_rows(name):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    from sk_momentum import LossHistoryDisplay

    model = streamed(signal)
    display = LossHistoryDisplay.from_estimator(model, name=name)
    history = model.stream_history_
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), history["n_seen"])
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), history["loss_after"])
    dashed = display.validation_lines_[0]
    np.testing.assert_array_equal(dashed.get_ydata(), history["loss_before"])
    assert display.ax_.get_xlabel() == "rows"
    alone = LossHistoryDisplay.from_estimator(model, validation=False)
    assert alone.validation_lines_ == [None]
    fitted = MomentumLogisticClassifier().fit(*problem("binary"))
    with pytest.raises(ValueError, match=r"partial_fit.*fit.*apart"):
        LossHistoryDisplay.from_estimators([model, fitted])
    with pytest.raises(ValueError, match="seconds.*leave x out"):
        LossHistoryDisplay.from_estimator(model, x="seconds")
    pyplot.close("all")
