"""What a fit leaves to the next one: typed, with a version, and in a pickle as plain values.

Nothing of it is ever changed: a call makes a state of its own.  A pickle has dicts, arrays and
numbers in place of the classes here, which may then be renamed or moved; one of a version that is
not known is left out, and the next call goes on from the coefficients alone.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy import sparse

from .._advice.facts import Kept
from .._core.history import DescentState, Status
from .._core.rows.origin import Origin
from .._core.rows.streamed import StreamRecord
from .._core.rules.names import RuleName
from .streams.history import StreamHistory


@dataclass(frozen=True)
class Meaning:
    """What gives the arrays of a rule their meaning: others have no use for them.

    Attributes
    ----------
    rule : RuleName
    momentum_type : {"ema", "heavy_ball", "nesterov"}
    geometry : None, "diagonal" or "full"
    fit_intercept : bool
    """

    rule: RuleName
    momentum_type: str
    geometry: str | None
    fit_intercept: bool


def meaning_of(settings, rule, geometry):
    """The `Meaning` of the rule's arrays in a descent."""
    return Meaning(rule.name, settings.momentum_type, geometry.name, bool(settings.fit_intercept))


@dataclass(frozen=True)
class Draws:
    """Where random choices come from; None as long as there were none.

    Attributes
    ----------
    split_seed : int or None
        Which rows are held out.
    rng : RandomState or None
        The order of the rows in mini-batches.
    """

    split_seed: int | None = None
    rng: np.random.RandomState | None = None


@dataclass(frozen=True)
class FitState:
    """What a fit leaves to the next one, beside its coefficients.

    Attributes
    ----------
    descent : DescentState
    kept : Kept
        For a diagnosis.
    meaning : Meaning
        Of `descent.rule`.
    draws : Draws
    n_rows : int
        Training rows of the last `fit`; 0 where there was none.
    weight : float
        The sum of their weights, times those of the classes, and of the rows of a stream since.
    stream : StreamRecord or None
        What `partial_fit` has seen of the columns since then.
    history : StreamHistory or None
        Its calls.
    version : int
        Of this layout.
    """

    descent: DescentState
    kept: Kept
    meaning: Meaning
    draws: Draws = Draws()
    n_rows: int = 0
    weight: float = 0.0
    stream: StreamRecord | None = None
    history: StreamHistory | None = None
    version: int = 1

    def descent_for(self, meaning):
        """The descent to go on from; without the rule's arrays where theirs is another meaning."""
        if self.meaning == meaning:
            return self.descent
        return replace(self.descent, rule=None, iterate=None)


@dataclass(frozen=True)
class LastFit:
    """The last call of fit or partial_fit, as the next one goes on from it.

    Attributes
    ----------
    coef : ndarray or CSR matrix
        `coef_`, which may have been changed by hand since.
    intercept : float or ndarray
    state : FitState or None
        None where it is not known.
    """

    coef: object
    intercept: object
    state: FitState | None

    def coefficients(self, shape):
        """`coef` of shape (n_outputs, n_features); the array itself where it is float64."""
        coef = self.coef.toarray() if sparse.issparse(self.coef) else self.coef
        coef = np.atleast_2d(coef)
        if coef.shape != shape:
            raise ValueError(
                f"y has {shape[0]} outputs, but the model being continued has "
                f"{coef.shape[0]}; fit with warm_start=False to start anew."
            )
        return coef.astype(np.float64, copy=False)


def last_fit(model):
    """The `LastFit` of a model; None where it is not fitted."""
    if not hasattr(model, "coef_"):
        return None
    return LastFit(model.coef_, model.intercept_, model._state)


def known_state(model):
    """The `FitState` of a fitted model; an error where it came in a pickle that cannot be read."""
    if model._state is None:
        raise ValueError(
            f"This {type(model).__name__} was pickled by another version of sk_momentum, and what "
            "its fit kept for a diagnosis cannot be read; fit it again."
        )
    return model._state


def to_plain(state):
    """A `FitState` as dicts, arrays, numbers and strings; the arrays are not copied."""
    descent = state.descent
    return {
        **values_of(state),
        "descent": {
            **values_of(descent),
            "status": descent.status.value,
            "origin": values_of(descent.origin),
        },
        "kept": state.kept._asdict(),
        "meaning": {**values_of(state.meaning), "rule": state.meaning.rule.value},
        "draws": values_of(state.draws),
        "stream": state.stream and values_of(state.stream),
        "history": state.history and values_of(state.history),
    }


def from_plain(plain):
    """The inverse of `to_plain`; None for another version's."""
    descent = plain.get("descent") or {}
    if plain.get("version") != FitState.version or not isinstance(descent, dict):
        return None
    if descent.get("version") != DescentState.version:
        return None
    status, origin = Status(descent["status"]), Origin(**descent["origin"])
    meaning = plain["meaning"]
    typed = {
        "descent": DescentState(**{**descent, "status": status, "origin": origin}),
        "kept": Kept(**plain["kept"]),
        "meaning": Meaning(**{**meaning, "rule": RuleName(meaning["rule"])}),
        "draws": Draws(**plain["draws"]),
        "stream": plain["stream"] and StreamRecord(**plain["stream"]),
        "history": plain["history"] and StreamHistory(**plain["history"]),
    }
    return FitState(**{**plain, **typed})


def values_of(thing):
    """The fields of a dataclass by name; `asdict` would copy what is in them."""
    return {each.name: getattr(thing, each.name) for each in fields(thing)}
