"""A gradient within tol that leaves too much of F is refused: of its own candidate alone."""

import numpy as np
import pytest
from _core import LOSSES, make, table

from sk_momentum._core.descent import descend
from sk_momentum._core.history import Plan, Status
from sk_momentum._core.knobs import Diagonal, make_rule
from sk_momentum._core.stopping import Stopping

# Hardly any penalty, in which twin columns leave F flat and its gradient small; a lot; and the
# same at a rate so low that the descent is under way when the first claim is made.
ALPHAS, RATES = (1e-5, 0.3, 0.3), (1.0, 1.0, 5e-4)


def twins():
    """Columns in pairs that hardly differ."""
    X = table()
    X[:, 1::2] = X[:, ::2] + 0.03 * np.random.default_rng(0).standard_normal((len(X), 2))
    return X


def descended(loss, candidates):
    objective = make(loss, X=twins(), alphas=[ALPHAS[i] for i in candidates])
    geometry, m = Diagonal(objective), len(candidates)
    rule, rates = make_rule(
        geometry,
        learning_rate=[RATES[i] for i in candidates],
        momentum=["auto"] * m,
        momentum_type="ema",
        minibatch=False,
        batch_size=len(twins()),
    )
    return descend(
        objective=objective,
        geometry=geometry,
        rule=rule,
        theta=objective.null_model(m),
        learning_rate=rates,
        plan=Plan(max_iter=2000, tol=1e-2),
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_one_refused_claim_among_several_candidates(loss, monkeypatch):
    """All end as each does alone, the refused one later than it had claimed."""
    refused, whole = [], Stopping.refuse

    def counted(self, candidates, share):
        refused.append(candidates.tolist())
        whole(self, candidates, share)

    monkeypatch.setattr(Stopping, "refuse", counted)
    together = descended(loss, range(len(ALPHAS)))
    assert [True, False] in refused or [True, False, False] in refused
    for i, found in enumerate(together):
        (alone,) = descended(loss, [i])
        assert found.status is alone.status is Status.CONVERGED
        assert found.n_iter == alone.n_iter
        np.testing.assert_allclose(found.theta, alone.theta, rtol=1e-9, atol=1e-12)
