"""scikit-learn's callbacks (1.9 on) and `verbose`: what is told of a descent while it runs."""

import pickle

import numpy as np
import pytest
import sklearn
from _data import LOSSES, estimator_class, problem
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, MomentumLogisticClassifier

has_callbacks = parse_version(sklearn.__version__) >= parse_version("1.9")
only_with_callbacks = pytest.mark.skipif(not has_callbacks, reason="scikit-learn 1.9 on")
FIXED = {"learning_rate": 0.1, "momentum": 0.5, "tol": 0}


class Bystander:
    """Notes every hook that is called; asks to stop after so many epochs. Is not propagated."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.events = []
        self.fitted = []

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name, context.task_id))

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name, context.task_id))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.events.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.events.append(("end", context.task_name, context.task_id))
        if context.task_name == "epoch":
            self.fitted.append(fitted_estimator)
            return self.stop_at is not None and context.task_id + 1 >= self.stop_at
        return False


class Recorder(Bystander):
    """One that meta-estimators hand on."""

    max_propagation_depth = None


def test_older_versions_have_no_callbacks():
    for cls in (MomentumLinearRegressor, MomentumLogisticClassifier):
        assert hasattr(cls, "set_callbacks") == has_callbacks


@only_with_callbacks
@pytest.mark.parametrize("settings", [FIXED, {}, {**FIXED, "batch_size": 32, "random_state": 0}])
@pytest.mark.parametrize("loss", LOSSES)
def test_one_task_an_epoch_inside_the_fit(loss, settings):
    X, y = problem(loss)
    recorder = Recorder()
    model = estimator_class(loss)(**{"max_iter": 12, **settings}).set_callbacks(recorder)
    plain = clone(model).set_callbacks().fit(X, y)
    model.fit(X, y)
    inner = [(kind, "epoch", i) for i in range(model.n_iter_) for kind in ("begin", "end")]
    outer = recorder.events[:2], recorder.events[-2:]
    assert outer[0] == [("setup", "fit", 0), ("begin", "fit", 0)]
    assert outer[1] == [("end", "fit", 0), ("teardown", "fit", 0)]
    assert recorder.events[2:-2] == inner
    np.testing.assert_array_equal(model.coef_, plain.coef_)


@only_with_callbacks
@pytest.mark.parametrize("loss", LOSSES)
def test_the_fitted_estimator_of_every_epoch_is_a_copy_of_its_own(loss):
    """What an epoch handed out is the model of a fit that long, and stays so."""
    X, y = problem(loss)
    recorder = Recorder()
    cls = estimator_class(loss)
    cls(max_iter=5, **FIXED).set_callbacks(recorder).fit(X, y)
    for epochs, handed_out in enumerate(recorder.fitted, start=1):
        alone = cls(max_iter=epochs, **FIXED).fit(X, y)
        np.testing.assert_array_equal(handed_out.coef_, alone.coef_)
        np.testing.assert_array_equal(handed_out.predict(X), alone.predict(X))
        assert handed_out.n_iter_ == alone.n_iter_
        np.testing.assert_array_equal(handed_out.loss_history_, alone.loss_history_)
        assert handed_out.history_.keys() == alone.history_.keys()
        for fact in ("gradient_norm", "learning_rate", "momentum"):
            np.testing.assert_array_equal(handed_out.history_[fact], alone.history_[fact])
        assert not any(
            np.shares_memory(handed_out.coef_, each.coef_)
            for each in recorder.fitted
            if each is not handed_out
        )


@only_with_callbacks
@pytest.mark.parametrize("settings", [FIXED, {"tol": 1e-12}, {**FIXED, "batch_size": 32}])
def test_a_stop_request_stops_at_that_epoch(settings):
    X, y = problem("binary")
    model = MomentumLogisticClassifier(**settings).set_callbacks(Recorder(stop_at=3))
    model.fit(X, y)
    assert model.status_ == "stopped"
    assert model.n_iter_ == model.best_iter_ == 3
    assert len(model.loss_history_) == 4


@only_with_callbacks
def test_a_failed_fit_is_torn_down_and_leaves_the_model():
    X, y = problem("binary")
    recorder = Recorder()
    model = MomentumLogisticClassifier(max_iter=3, **FIXED).fit(X, y)
    coef = model.coef_
    model.set_callbacks(recorder)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan), y)
    assert recorder.events[-1] == ("teardown", "fit", 0)
    assert model.coef_ is coef
    assert not hasattr(model, "_callback_fit_ctx")


@only_with_callbacks
def test_callbacks_reach_the_last_step_of_a_pipeline():
    X, y = problem("binary")
    recorder, bystander = Recorder(), Bystander()
    model = MomentumLogisticClassifier(max_iter=4, **FIXED).set_callbacks(bystander)
    make_pipeline(StandardScaler(), model).set_callbacks(recorder).fit(X, y)
    for each in (recorder, bystander):
        assert each.events.count(("begin", "epoch", 0)) == 1
        assert sum(kind == "end" and name == "epoch" for kind, name, _ in each.events) == 4


def scores_of(monitor):
    """The epochs' scores of every run."""
    runs = monitor.get_logs(select="all")
    return [[row["accuracy"] for row in run.data if row["task_name"] == "epoch"] for run in runs]


@only_with_callbacks
def test_scores_are_monitored_every_epoch():
    """Alone, and on the last step of a Pipeline, where the monitor sees its rows."""
    from sklearn.callback import ScoringMonitor

    X, y = problem("binary")
    model = MomentumLogisticClassifier(max_iter=4, **FIXED)
    expected = [clone(model).set_params(max_iter=e).fit(X, y).score(X, y) for e in (1, 2, 3, 4)]
    for whole in (lambda model: model, lambda model: make_pipeline("passthrough", model)):
        monitor = ScoringMonitor(scoring="accuracy")
        whole(clone(model).set_callbacks(monitor)).fit(X, y)
        assert scores_of(monitor) == [expected]


@only_with_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("search_class", [GridSearchCV, MomentumGridSearchCV])
def test_the_callbacks_of_scikit_learn_in_searches(search_class, n_jobs):
    """A monitor on the estimator sees every fit of GridSearchCV; a progress bar the whole tree."""
    from sklearn.callback import ProgressBar, ScoringMonitor

    X, y = problem("binary")
    monitor = ScoringMonitor(scoring="accuracy")
    model = MomentumLogisticClassifier(max_iter=4, **FIXED).set_callbacks(monitor)
    search = search_class(model, {"momentum": [0.0, 0.5]}, cv=3, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar()).fit(X, y)
    # Candidates that descend together have no fit of their own; the refit has.
    fits = 2 * 3 + 1 if search_class is GridSearchCV else 1
    assert sum(len(scores) for scores in scores_of(monitor)) == 4 * fits


@only_with_callbacks
def test_callbacks_are_cloned_and_pickled_with_the_estimator():
    X, y = problem("binary")
    model = MomentumLogisticClassifier(max_iter=2, **FIXED).set_callbacks(Recorder())
    assert clone(model)._skl_callbacks is model._skl_callbacks
    again = pickle.loads(pickle.dumps(model.fit(X, y)))
    np.testing.assert_array_equal(again.coef_, model.coef_)


def lines_of(capsys):
    return [line.split() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("settings", [FIXED, {**FIXED, "batch_size": 32, "random_state": 0}, {}])
def test_verbose_prints_epochs_at_growing_intervals(settings, capsys):
    X, y = problem("binary")
    model = MomentumLogisticClassifier(**{"max_iter": 130, **settings}, verbose=1).fit(X, y)
    header, *lines = lines_of(capsys)
    assert header[:2] == ["epoch", "loss"]
    shown = [*range(11), *range(20, 101, 10)]
    printed = [int(line[0]) for line in lines]
    assert printed == sorted({model.n_iter_, *(e for e in shown if e <= model.n_iter_)})
    losses = [float(line[1]) for line in lines]
    np.testing.assert_allclose(losses, model.loss_history_[printed], rtol=1e-7)
    assert all(len(line) == 6 for line in lines)


def test_verbose_shows_the_validation_loss(capsys):
    X, y = problem("squared")
    model = MomentumLinearRegressor(max_iter=2, **FIXED, verbose=1)
    model.fit(X[50:], y[50:], X_val=X[:50], y_val=y[:50])
    lines = lines_of(capsys)
    assert float(lines[1][-1]) == pytest.approx(model.validation_loss_history_[0], rel=1e-5)


def test_silent_by_default(capsys):
    X, y = problem("binary")
    MomentumLogisticClassifier().fit(X, y)
    assert not capsys.readouterr().out


@only_with_callbacks
def test_the_search_has_tasks_for_splits_and_epochs():
    X, y = problem("binary")
    recorder = Recorder()
    grid = {"learning_rate": [0.01, 0.1], "momentum": [0.0, 0.5]}
    search = MomentumGridSearchCV(MomentumLogisticClassifier(max_iter=3, tol=0), grid, cv=2)
    search.set_callbacks(recorder).fit(X, y)
    names = [name for kind, name, _ in recorder.events if kind == "begin"]
    assert names[:2] == ["fit", "search"]
    assert names.count("split") == 2
    # Three epochs a split for all candidates together, and those of the refit.
    assert names.count("epoch") == 2 * 3 + 3
    ends = [name for kind, name, _ in recorder.events if kind == "end"]
    assert sorted(ends) == sorted(names)
    assert ends[-1] == "fit"


@only_with_callbacks
def test_a_stop_request_ends_the_descent_of_a_split():
    X, y = problem("binary")
    grid = {"learning_rate": [0.01, 0.1]}
    search = MomentumGridSearchCV(MomentumLogisticClassifier(max_iter=9, tol=0), grid, cv=2)
    search.set_callbacks(Recorder(stop_at=2)).fit(X, y)
    for split in range(2):
        assert list(search.cv_results_[f"split{split}_status"]) == ["stopped", "stopped"]
        assert [len(loss) for loss in search.loss_histories_[split]] == [3, 3]
    assert search.best_estimator_.n_iter_ == 2
