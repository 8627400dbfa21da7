"""The candidate axis: candidates that descend together do what each does alone, to rounding."""

import numpy as np
import pytest
from _core import from_design
from _data import LOSSES, MOMENTUM_TYPES, estimator_class, problem
from _pairs import pairs
from scipy import sparse

from sk_momentum._core.descent import descend
from sk_momentum._core.geometry.diagonal import Diagonal
from sk_momentum._core.geometry.full import Full
from sk_momentum._core.geometry.identity import Identity
from sk_momentum._core.history import Plan
from sk_momentum._core.knobs import make_rule
from sk_momentum._core.losses import BinaryLogLoss, HalfSquaredError, MultinomialLogLoss
from sk_momentum._core.objective import Objective
from sk_momentum._core.penalties import ElasticNet
from sk_momentum._core.rows.make import make_design

GEOMETRIES = {None: Identity, "diagonal": Diagonal, "full": Full}
CORE_LOSSES = {
    "squared": HalfSquaredError,
    "several_targets": HalfSquaredError,
    "binary": BinaryLogLoss,
    "multinomial": MultinomialLogLoss,
}


def descend_together(
    loss,
    *,
    learning_rates,
    momenta,
    alphas,
    momentum_type="ema",
    preconditioner=None,
    l1_ratio=0.0,
    container=np.asarray,
    **plan,
):
    """Outcomes of all candidates, from one descent of the core."""
    X, y = problem(loss)
    core_loss = CORE_LOSSES[loss]()
    k = {"squared": 1, "several_targets": 3, "binary": 1, "multinomial": 3}[loss]
    y = y.reshape(len(y), -1) if core_loss.curvature_bound == 1 else y
    objective = from_design(
        Objective,
        design=make_design(container(X)),
        loss=core_loss,
        penalty=ElasticNet(alphas, l1_ratio, np.float64),
        Y=core_loss.encode(y, k).astype(float),
        s=np.full(len(y), 1 / len(y)),
        fit_intercept=True,
    )
    geometry = GEOMETRIES[preconditioner](objective)
    batch_size = plan.get("batch_size")
    rule, rates = make_rule(
        geometry,
        learning_rate=learning_rates,
        momentum=momenta,
        momentum_type=momentum_type,
        minibatch=batch_size is not None,
        batch_size=batch_size or len(y),
    )
    m = len(learning_rates)
    null = geometry.starts_at_null
    return descend(
        objective=objective,
        geometry=geometry,
        rule=rule,
        theta=objective.null_model(m) if null else objective.zeros(m),
        learning_rate=rates,
        plan=Plan(**plan),
        rng=np.random.RandomState(0),
    )


# learning rate, momentum, alpha: slow, quick, diverging at once, diverging late, without momentum
CANDIDATES = [
    (1e-3, 0.9, 1e-2),
    (0.3, 0.8, 1e-2),
    (1e6, 0.8, 1e-3),
    (60.0, 0.8, 1e-4),
    (0.1, 0.0, 1.0),
    (0.3, 0.8, 0.3),
]
PLANS = {
    "max_iter": {"max_iter": 25},
    # No longer: a learning rate just short of divergence amplifies rounding every epoch.
    "tol": {"max_iter": 60, "tol": 1e-2},
    "average": {"max_iter": 25, "average": True},
    "mini_batch": {"max_iter": 6, "batch_size": 16},
    "plateau": {"max_iter": 60, "batch_size": 16, "tol": 1e-2},
    "adaptive": {"max_iter": 60, "schedule": "adaptive", "tol": 1e-2},
}


def assert_same_outcome(together, alone):
    assert together.status == alone.status
    assert together.n_iter == alone.n_iter
    assert together.best_iter == alone.best_iter
    np.testing.assert_allclose(together.theta, alone.theta, rtol=1e-9, atol=1e-10)
    for name in alone.history.keys() - {"seconds"}:
        np.testing.assert_allclose(
            together.history[name][:-1], alone.history[name][:-1], rtol=1e-7, atol=1e-9
        )


@pairs(loss=LOSSES, momentum_type=MOMENTUM_TYPES, plan=PLANS)
def test_together_is_alone(loss, momentum_type, plan):
    """Candidates that converge or diverge leave; the others do not notice."""
    rates, momenta, alphas = map(list, zip(*CANDIDATES, strict=True))
    settings = {"momentum_type": momentum_type, **PLANS[plan]}
    outcomes = descend_together(
        loss, learning_rates=rates, momenta=momenta, alphas=alphas, **settings
    )
    for outcome, (rate, momentum, alpha) in zip(outcomes, CANDIDATES, strict=True):
        alone = descend_together(
            loss, learning_rates=[rate], momenta=[momentum], alphas=[alpha], **settings
        )[0]
        assert_same_outcome(outcome, alone)
    assert outcomes[2].status == "diverged"
    assert len({outcome.n_iter for outcome in outcomes}) > 1


@pairs(loss=LOSSES, container=[np.asarray, sparse.csr_matrix], preconditioner=["diagonal", "full"])
def test_together_in_a_geometry(loss, container, preconditioner):
    """Every alpha has a metric of its own."""
    alphas = [1e-4, 1e-2, 1.0, 1e-2]
    settings = {"preconditioner": preconditioner, "container": container}
    settings |= {"max_iter": 200, "tol": 1e-3}
    outcomes = descend_together(
        loss, learning_rates=[1.0] * 4, momenta=[0.5, 0.5, 0.5, 0.0], alphas=alphas, **settings
    )
    for outcome, alpha, momentum in zip(outcomes, alphas, [0.5, 0.5, 0.5, 0.0], strict=True):
        alone = descend_together(
            loss, learning_rates=[1.0], momenta=[momentum], alphas=[alpha], **settings
        )[0]
        assert_same_outcome(outcome, alone)


@pytest.mark.parametrize("loss", LOSSES)
def test_together_on_auto_with_l1(loss):
    alphas = [0.3, 0.01, 0.1]
    settings = {"l1_ratio": 0.7, "preconditioner": "diagonal", "max_iter": 2000, "tol": 1e-4}
    auto = {"learning_rates": ["auto"], "momenta": ["auto"]}
    outcomes = descend_together(
        loss, learning_rates=["auto"] * 3, momenta=["auto"] * 3, alphas=alphas, **settings
    )
    for outcome, alpha in zip(outcomes, alphas, strict=True):
        alone = descend_together(loss, **auto, alphas=[alpha], **settings)[0]
        assert_same_outcome(outcome, alone)


@pytest.mark.parametrize("loss", LOSSES)
def test_an_estimator_is_one_candidate(loss):
    X, y = problem(loss)
    model = estimator_class(loss)(0.3, 0.8, alpha=0.01, max_iter=25, tol=0).fit(X, y)
    outcome = descend_together(
        loss, learning_rates=[0.3], momenta=[0.8], alphas=[0.01], max_iter=25
    )[0]
    coef = outcome.theta[:, :-1].reshape(model.coef_.shape)
    np.testing.assert_allclose(coef, model.coef_, rtol=0, atol=1e-11)
    np.testing.assert_allclose(outcome.history["loss"], model.loss_history_, rtol=0, atol=1e-11)
