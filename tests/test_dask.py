"""Dask collections: the same fit as of the same rows in memory, wherever the partitions are."""

import os
import pickle
import signal
import threading
import warnings
from unittest import mock

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning

from sk_momentum import (
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    diagnose,
    stable_learning_rate,
    to_sklearn,
)

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

from sk_momentum._core.rows.dask import DaskRows  # noqa: E402
from sk_momentum._core.rows.summed import SummedRows  # noqa: E402
from sk_momentum._estimators.collections import is_lazy, partitions_of  # noqa: E402

pytestmark = [
    # Of Dask's own making, on its way through a cluster's life.
    pytest.mark.filterwarnings("ignore:Sending large graph"),
    pytest.mark.filterwarnings("ignore:(?s)Port .* is already in use"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SETTINGS = {
    "auto": {},
    "diagonal": {"preconditioner": "diagonal", "max_iter": 8, "tol": None},
    "raw": {"preconditioner": None, "max_iter": 15, "tol": None},
    "numeric": {"learning_rate": 0.5, "momentum": 0.5, "max_iter": 30, "tol": None},
    "numeric full": {"learning_rate": 1.0, "momentum": "auto", "preconditioner": "full"},
    "l1": {"l1_ratio": 0.5, "alpha": 1e-2},
    "no intercept": {"fit_intercept": False},
    "no penalty": {"alpha": 0.0, "max_iter": 4, "tol": None},
}


def scaled(load):
    X, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def problem(kind):
    """Estimator, X, y of a kind of targets."""
    if kind == "binary":
        return MomentumLogisticClassifier, *scaled(load_breast_cancer)
    if kind == "multinomial":
        return MomentumLogisticClassifier, *scaled(load_wine)
    X, y = scaled(load_diabetes)
    return MomentumLinearRegressor, X, y if kind == "squared" else np.c_[y, X[:, 1] * 50 + y / 9]


KINDS = ("binary", "multinomial", "squared", "targets")


def collection(X, rows=70):
    return da.from_array(X, chunks=(rows, *(-1 for _ in X.shape[1:])))


def same(found, expected, within=1e-8, *, lazily=False):
    """Coefficients and path; of what is read lazily epochs may be fewer."""
    assert found.status_ == expected.status_
    if lazily:
        assert found.n_iter_ <= expected.n_iter_
    else:
        assert found.n_iter_ == expected.n_iter_
        np.testing.assert_allclose(found.loss_history_, expected.loss_history_, rtol=1e-9)
    for name in ("coef_", "intercept_"):
        one, other = np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
        assert isinstance(getattr(found, name), type(getattr(expected, name)))
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=within, atol=within * np.abs(other).max())


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_of_partitions_is_that_of_their_rows(kind, settings):
    """Coefficients, status, epochs and history, for every geometry and rule; with weights."""
    estimator, X, y = problem(kind)
    weights = np.random.default_rng(1).uniform(0.0, 2.0, len(y))
    weights[::9] = 0.0
    settings = {"max_iter": 200, **SETTINGS[settings]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = estimator(**settings).fit(X, y, weights)
        found = estimator(**settings).fit(
            collection(X), collection(y), sample_weight=collection(weights)
        )
    same(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_lazy_and_those_of_the_rows(kind, dtype):
    """Arrays of the right shape and dtype, made when they are asked for; score is a float."""
    estimator, X, y = problem(kind)
    X = X.astype(dtype)
    model = estimator().fit(collection(X), collection(y))
    methods = ["predict"]
    if estimator is MomentumLogisticClassifier:
        methods += ["predict_proba", "predict_log_proba", "decision_function"]
    for method in methods:
        lazy, eager = getattr(model, method)(collection(X)), getattr(model, method)(X)
        assert isinstance(lazy, da.Array)
        assert lazy.shape == eager.shape
        assert lazy.dtype == eager.dtype == lazy.compute().dtype
        if eager.dtype.kind == "f":
            # A product of other blocks is added up in another order.
            within = 1e4 * np.finfo(dtype).eps
            np.testing.assert_allclose(lazy.compute(), eager, rtol=within, atol=within)
        else:
            np.testing.assert_array_equal(lazy.compute(), eager)
    weights = np.random.default_rng(1).uniform(0.0, 2.0, len(y))
    score = model.score(collection(X), collection(y), sample_weight=collection(weights))
    assert isinstance(score, float)
    assert score == pytest.approx(model.score(X, y, sample_weight=weights), rel=1e-5)


def frame_of(X, y):
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    frame["label"] = np.array(["yes", "no"])[y]
    return frame


def test_a_data_frame_of_unknown_lengths_with_an_empty_partition():
    """Feature names, string labels; in fit, predict and score."""
    _, X, y = problem("binary")
    frame = frame_of(X, y)
    lazy = dd.from_pandas(frame.sort_values("c0"), npartitions=6, sort=False)
    lazy = lazy[lazy["c0"] > frame["c0"].quantile(0.3)]
    rows = lazy.compute()
    names = [name for name in frame if name != "label"]
    assert 0 in lazy.map_partitions(len).compute().tolist()
    model = MomentumLogisticClassifier(tol=1e-10)
    found = clone(model).fit(lazy[names], lazy["label"])
    same(found, model.fit(rows[names], rows["label"]), lazily=True)
    assert found.feature_names_in_.tolist() == names
    assert found.classes_.tolist() == ["no", "yes"]
    predicted = found.predict(lazy[names])
    assert np.isnan(predicted.shape[0])
    assert predicted.compute().tolist() == found.predict(rows[names]).tolist()
    assert found.score(lazy[names], lazy["label"]) == pytest.approx(
        found.score(rows[names], rows["label"])
    )
    with pytest.raises(ValueError, match="feature names"):
        found.predict(lazy[names[::-1]])


@pytest.mark.parametrize("labels", [[10, 50, 20], ["b", "c", "a"]])
def test_labels_that_some_partitions_lack(labels):
    _, X, y = problem("multinomial")
    order = np.argsort(y, kind="stable")
    X, y = X[order], np.array(labels)[y[order]]
    expected = MomentumLogisticClassifier(class_weight="balanced").fit(X, y)
    found = MomentumLogisticClassifier(class_weight="balanced").fit(
        collection(X, 40), collection(y, 40)
    )
    same(found, expected)
    assert found.classes_.tolist() == sorted(labels)


def test_a_class_without_weight_that_fills_partitions():
    _, X, y = problem("multinomial")
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    settings = {"class_weight": {0: 1.0, 1: 2.0, 2: 0.0}}
    found = MomentumLogisticClassifier(**settings).fit(collection(X, 20), collection(y, 20))
    same(found, MomentumLogisticClassifier(**settings).fit(X, y))


def test_sparse_chunks():
    rng = np.random.default_rng(0)
    X = sparse.random(400, 50, 0.1, format="csr", random_state=0)
    y = (X @ rng.standard_normal(50) > 0).astype(int)
    lazy = da.from_array(X.toarray(), chunks=(90, -1)).map_blocks(sparse.csr_matrix)
    model = MomentumLogisticClassifier(tol=1e-10)
    found = clone(model).fit(lazy, collection(y, 90))
    same(found, model.fit(X, y), lazily=True)
    np.testing.assert_array_equal(found.predict(lazy).compute(), found.predict(X))


def test_chunks_along_columns_and_targets_cut_differently():
    """Aligned where lengths are known; targets in memory are cut like X."""
    estimator, X, y = problem("binary")
    expected = estimator().fit(X, y)
    same(estimator().fit(da.from_array(X, chunks=(100, 7)), collection(y, 130)), expected)
    same(estimator().fit(collection(X), y), expected)
    columns = da.from_array(X, chunks=(100, 7))
    np.testing.assert_array_equal(
        estimator().fit(X, y).predict(columns).compute(), estimator().fit(X, y).predict(X)
    )


def test_lengths_that_are_unknown_and_cut_differently():
    """An error that says how to cut them, or in which partition they differ."""
    _, X, y = problem("binary")
    frame = frame_of(X, y)
    lazy = dd.from_pandas(frame, npartitions=4)
    other = dd.from_pandas(frame, npartitions=3)
    with pytest.raises(ValueError, match=r"4 partitions and y has 3.*repartition"):
        MomentumLogisticClassifier().fit(lazy[["c0", "c1"]], other["label"])
    with pytest.raises(ValueError, match=r"(?s)partition 0.*lengths differ.*cut alike"):
        MomentumLogisticClassifier().fit(
            lazy[["c0", "c1"]], (lazy[lazy["c0"] > 0]["c2"] > 0).to_dask_array()
        )
    with pytest.raises(ValueError, match="inconsistent numbers of samples: 569 rows and 568"):
        MomentumLogisticClassifier().fit(collection(X), collection(y[1:]))
    with pytest.raises(ValueError, match="does not know how long its partitions are"):
        MomentumLogisticClassifier().fit(lazy[["c0", "c1"]], y)


def test_what_is_wrong_is_named_with_its_partition():
    estimator, X, y = problem("binary")
    X[250, 3] = np.nan
    model = estimator().fit(np.nan_to_num(X), y)
    before = model.coef_.copy()
    with pytest.raises(ValueError, match="partition 3: X contains NaN in column 3"):
        model.fit(collection(X), collection(y))
    frame = frame_of(X, y)
    lazy = dd.from_pandas(frame, npartitions=4)
    with pytest.raises(ValueError, match="partition 1: X contains NaN in column 'c3'"):
        model.fit(lazy[["c2", "c3"]], lazy["label"])
    np.testing.assert_array_equal(model.coef_, before)
    with pytest.raises(ValueError, match="partition 1: Input y contains NaN"):
        MomentumLinearRegressor().fit(
            collection(np.nan_to_num(X)), collection(np.where(np.arange(569) == 100, np.nan, y))
        )
    with pytest.raises(ValueError, match="negative values"):
        model.fit(collection(np.nan_to_num(X)), collection(y), collection(0.5 - y))
    with pytest.raises(ValueError, match="only one class"):
        estimator().fit(collection(np.nan_to_num(X)), collection(np.ones(569)))
    with pytest.raises(ValueError, match="zero for every row"):
        estimator().fit(collection(np.nan_to_num(X)), collection(y), collection(0.0 * y))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 16}, r"batch_size=16.*batch_size=None.*partial_fit"),
        ({"early_stopping": True}, r"early_stopping=True.*X_val and y_val"),
    ],
)
def test_what_needs_rows_in_memory_says_what_to_use(settings, message):
    estimator, X, y = problem("binary")
    with pytest.raises(ValueError, match=message):
        estimator(**settings).fit(collection(X), collection(y))
    with pytest.raises(TypeError, match="partial_fit takes rows in memory"):
        estimator().partial_fit(collection(X), collection(y), classes=[0, 1])


def test_lazy_validation_rows_warm_starts_and_verbose(capsys):
    estimator, X, y = problem("binary")
    settings = {"max_iter": 4, "tol": None, "warm_start": True, "verbose": 1}
    found, expected = estimator(**settings), estimator(**settings)
    for _ in range(2):
        found.fit(
            collection(X[100:]),
            collection(y[100:]),
            X_val=collection(X[:100], 30),
            y_val=collection(y[:100], 30),
        )
        expected.fit(X[100:], y[100:], X_val=X[:100], y_val=y[:100])
        same(found, expected)
        np.testing.assert_allclose(
            found.validation_loss_history_, expected.validation_loss_history_, rtol=1e-9
        )
    assert "epoch" in capsys.readouterr().out.lower()


def test_dates_and_float32():
    """Columns far from 0 are taken about one of their values, of all partitions."""
    rng = np.random.default_rng(0)
    X = np.c_[rng.standard_normal(400), 20240101 + rng.integers(0, 31, 400)].astype(np.float32)
    y = 3 * X[:, 0] + 0.1 * (X[:, 1] - 20240101) + 0.1 * rng.standard_normal(400)
    found = MomentumLinearRegressor().fit(collection(X), collection(y))
    expected = MomentumLinearRegressor().fit(X, y)
    assert found.coef_.dtype == np.float32
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-4)
    assert found.score(collection(X), collection(y)) > 0.99


def test_diagnose_and_the_stable_learning_rate_take_collections():
    estimator, X, y = problem("binary")
    model = estimator(learning_rate=0.5, momentum=0.9, max_iter=20, tol=None)
    rate = stable_learning_rate(model, X, y)
    assert stable_learning_rate(model, collection(X), collection(y)) == pytest.approx(rate)
    lazy = estimator(learning_rate=0.5, momentum=0.9, max_iter=20, tol=None)
    lazy.fit(collection(X), collection(y))
    model.fit(X, y)
    found, expected = diagnose(lazy, collection(X), collection(y)), diagnose(model, X, y)
    assert str(found) == str(expected)


def test_plain_arrays_never_import_dask():
    code = (
        "import sys, numpy as np; from sk_momentum import MomentumLinearRegressor as M; "
        "X = np.random.rand(50, 3); M().fit(X, X[:, 0]).predict(X); "
        "assert not any(name.partition('.')[0] in ('dask', 'distributed') for name in sys.modules)"
    )
    import subprocess
    import sys

    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------------ on a cluster


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            # What comes and goes is not of interest here.
            silence_logs=50,
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


def lazily_made(n_parts=6):
    """A collection whose partitions are made when they are read, and its rows in memory."""
    _, X, y = problem("binary")
    X, y = X[:540], y[:540]
    parts = np.array_split(np.arange(540), n_parts)

    def part(index):
        return X[parts[index]]

    made = [
        da.from_delayed(dask.delayed(part)(i), (len(parts[i]), X.shape[1]), X.dtype)
        for i in range(n_parts)
    ]
    return da.concatenate(made), da.from_array(y, chunks=540 // n_parts), X, y


def test_the_same_bits_on_any_number_of_workers(cluster):
    """On two workers, one and four, on Dask's threads and in one thread; as in memory to 1e-8."""
    lazy, targets, X, y = lazily_made()
    settings = {"tol": 1e-8, "alpha": 1e-3}
    models = [MomentumLogisticClassifier(**settings).fit(lazy, targets)]
    same(models[0], MomentumLogisticClassifier(**settings).fit(X, y), lazily=True)
    assert isinstance(models[0].predict(lazy), da.Array)
    # A fitted model has no client in it.
    assert b"distributed" not in pickle.dumps(models[0])
    for scheduler in ("threads", "synchronous"):
        with dask.config.set(scheduler=scheduler):
            models.append(MomentumLogisticClassifier(**settings).fit(lazy, targets))
    for n_workers in (1, 4):
        with (
            distributed.LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=False,
                dashboard_address=None,
                silence_logs=50,
            ) as other,
            distributed.Client(other, set_as_default=False) as client,
            client.as_current(),
        ):
            models.append(MomentumLogisticClassifier(**settings).fit(lazy, targets))
    for model in models[1:]:
        np.testing.assert_array_equal(model.coef_, models[0].coef_)
        np.testing.assert_array_equal(model.loss_history_, models[0].loss_history_)


@pytest.mark.parametrize("kind", ["array", "frame"])
def test_what_is_lazy(kind):
    """Files, random numbers and transformations; not what is in memory already."""
    data = da.from_array(np.ones((40, 3)), chunks=(10, 3))
    data = data if kind == "array" else dd.from_dask_array(data, columns=list("abc")).persist()
    assert not is_lazy(partitions_of(data))
    assert is_lazy(partitions_of(data + 1))
    assert not is_lazy(partitions_of((data + 1).persist()))
    assert is_lazy(partitions_of(da.random.random((40, 3), chunks=(10, 3))))


def test_the_metric_follows_the_curvature_where_reading_is_the_cost():
    """With the Hessian of the gradient's own read: fewer reads, the same optimum."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 6)) @ np.diag(np.geomspace(0.1, 30, 6)) + 5
    y = (X[:, -1] / 10 + rng.logistic(size=2000) > 0.5).astype(int)
    chunked = da.from_array(X, chunks=(500, 6))
    reads, models = [], []
    of = DaskRows.__init__
    for data in (chunked * 1.0, chunked):
        made = []

        def noted(self, *arguments, made=made, **facts):
            of(self, *arguments, **facts)
            made.append(self)

        with mock.patch.object(DaskRows, "__init__", noted):
            models.append(MomentumLogisticClassifier(alpha=1e-5, tol=1e-8).fit(data, y))
        reads.append(sum(rows.reads for rows in made))
    same(*models, lazily=True)
    assert reads[0] < reads[1]


def test_a_trial_brings_the_gradient_where_reading_costs_little():
    """A round less an epoch: only the first one is asked for by itself; of lazy rows each is."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 6)) @ np.diag(np.geomspace(0.1, 30, 6)) + 5
    y = (X[:, -1] / 10 + rng.logistic(size=2000) > 0.5).astype(int)
    chunked = da.from_array(X, chunks=(500, 6))
    asked, models, of = [], [], SummedRows.gradient
    for data in (chunked * 1.0, chunked):
        number = []

        def noted(self, local, n_parameters, number=number):
            number.append(1)
            return of(self, local, n_parameters)

        with (
            mock.patch.object(SummedRows, "gradient", noted),
            mock.patch.object(DaskRows, "bring_hessians", return_value=False),
        ):
            models.append(MomentumLogisticClassifier(alpha=1e-5, tol=1e-8).fit(data, y))
        asked.append(len(number))
    same(*models, lazily=True)
    assert min(model.n_iter_ for model in models) >= 5
    assert asked[1] <= 2
    assert asked[0] >= models[0].n_iter_


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0}])
def test_a_twin_poses_the_problem_of_all_partitions(class_weight):
    """Its C counts the weights of all rows, times those of their labels, as in memory."""
    rng = np.random.default_rng(0)
    X, weights = rng.standard_normal((400, 3)), rng.uniform(0.5, 4, 400)
    y = (X[:, 0] + rng.logistic(size=400) > 0.5).astype(int)
    chunked = [da.from_array(each, chunks=(150, *each.shape[1:])) for each in (X, y, weights)]
    model = MomentumLogisticClassifier(alpha=0.1, class_weight=class_weight)
    alone = to_sklearn(model.fit(X, y, weights))
    together = to_sklearn(model.fit(*chunked))
    assert together.C == pytest.approx(alone.C, rel=1e-12)
    np.testing.assert_allclose(together.coef_, alone.coef_, rtol=1e-8, atol=1e-10)


def test_two_fits_at_once_and_fewer_partitions_than_workers(cluster):
    lazy, targets, X, y = lazily_made(1)
    expected = MomentumLogisticClassifier(tol=1e-10).fit(X, y)
    found = [None, None]

    def fit(i):
        found[i] = MomentumLogisticClassifier(tol=1e-10).fit(lazy, targets)

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for model in found:
        same(model, expected, lazily=True)


def test_nothing_as_long_as_the_rows_comes_home(cluster, monkeypatch):
    """What a client gathers has no axis of n rows, nor of a partition's."""
    lazy, targets, _, _ = lazily_made()
    gathered = []
    gather = distributed.Client.gather

    def watched(self, futures, *args, **kwargs):
        found = gather(self, futures, *args, **kwargs)
        gathered.append(found)
        return found

    monkeypatch.setattr(distributed.Client, "gather", watched)
    MomentumLogisticClassifier(alpha=1e-3).fit(lazy, targets)

    def shapes(thing):
        if isinstance(thing, np.ndarray):
            yield thing.shape
        elif isinstance(thing, (list, tuple)):
            for each in thing:
                yield from shapes(each)
        elif hasattr(thing, "few"):
            # A hundred rows of every partition, spread over it.
            yield from shapes([v for k, v in vars(thing).items() if "few" not in k])

    seen = {length for shape in shapes(gathered) for length in shape}
    assert seen
    assert not seen & {90, 540}


def test_a_worker_that_dies_costs_a_computation_not_the_answer():
    """Killed in the middle of a fit: it ends, with the same bits."""
    lazy, targets, _, _ = lazily_made()
    settings = {"tol": None, "max_iter": 8, "preconditioner": "diagonal"}
    with dask.config.set(scheduler="synchronous"):
        expected = MomentumLogisticClassifier(**settings).fit(lazy, targets)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as workers,
        distributed.Client(workers) as client,
    ):
        pids, asked, of = list(client.run(os.getpid).values()), [], SummedRows.gradient

        def killing(self, local, n_parameters):
            asked.append(1)
            if len(asked) == 3:
                os.kill(pids[0], signal.SIGKILL)
            return of(self, local, n_parameters)

        with mock.patch.object(SummedRows, "gradient", killing):
            found = MomentumLogisticClassifier(**settings).fit(lazy, targets)
    assert len(asked) > 3
    np.testing.assert_array_equal(found.coef_, expected.coef_)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="limits as Linux has them")
def test_a_file_larger_than_memory(tmp_path):
    """33 partitions of 5 MB, within 32 MB: the optimum of the rows together."""
    import subprocess
    import sys

    n, d, n_parts = 2_700, 240, 33
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(d)
    tables = []
    for number in range(n_parts):
        X = np.random.default_rng(number).standard_normal((n, d))
        y = (X @ truth + 3 * np.random.default_rng(1000 + number).standard_normal(n) > 0) * 1
        frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(d)]).assign(label=y)
        frame.to_parquet(tmp_path / f"{number:03}.parquet")
        tables.append((X.astype(np.float64), y))
    script = os.path.join(os.path.dirname(__file__), "_within_memory.py")
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script, str(tmp_path), str(32 * 2**20)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    status, loss = done.stdout.split()
    X, y = (np.concatenate(each) for each in zip(*tables))
    assert X.nbytes >= 5 * 32 * 2**20
    assert status == "converged"
    expected = MomentumLogisticClassifier(tol=1e-7).fit(X, y).loss_history_[-1]
    assert float(loss) == pytest.approx(expected, rel=1e-6)
