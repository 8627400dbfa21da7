"""One call of partial_fit: an epoch over the rows given, at what these rows cost.

Sparse rows show few of the columns.  A call descends in those alone, and what its steps do
to all others, which see the penalty and their own velocity only, is known in closed form.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy import sparse

from ..._callbacks import Printer
from ..._core.descent import descend
from ..._core.history import Status
from ..._core.knobs import streamed_preconditioner_of
from ..._core.rows.origin import Origin
from ..._core.rows.streamed import StreamRecord
from ..._core.rules.momentum import Guarded
from ..._core.threads import one_blas_thread
from ..problem import batch_of, objective_of, plan_of
from ..state import Draws, FitState, meaning_of
from .history import StreamHistory
from .scatter import of_columns, scatter
from .steps import stream_rule, streamed_geometry

# How a stream changes the plan: one epoch in the rows' order, no stopping rule.
PLAN = {
    "max_iter": 1,
    "tol": 0.0,
    "early_stopping": False,
    "shuffle": False,
    "streaming": True,
}
# The share of columns in play from which on all are.
MOST_COLUMNS = 0.5


def stream_call(settings, rows, loss, *, last, started, verbose=False):
    """Descend one epoch over the rows of a call.

    Parameters
    ----------
    settings : Settings
    rows : Rows
    loss : Loss
    last : LastFit or None
        What is carried on; nothing of it is changed.
    started : float
        When the call began, by time.perf_counter.
    verbose : bool
        Whether the losses are printed.

    Returns
    -------
    StreamCall
    """
    columns = columns_in_play(settings, rows, last)
    call = StreamCall(settings, rows, loss, last, columns)
    call.run(started, verbose)
    if call.undone and columns is not None:
        # A step that is taken back is so in all columns, whose velocities start anew.
        call = StreamCall(settings, rows, loss, last, None)
        call.run(started, verbose)
    return call


def columns_in_play(settings, rows, last):
    """The columns that the steps of a call do more to than to decay; None for all."""
    if not sparse.issparse(rows.X):
        return None
    state, d = None if last is None else last.state, rows.X.shape[1]
    chosen = [rows.X.indices]
    if state is not None and state.stream is not None:
        chosen.append(state.stream.offset)
    has_l1 = settings.alpha > 0 and settings.l1_ratio > 0
    if last is not None and (has_l1 or settings.average):
        # A soft threshold is not linear, a mean has a memory of its own; what is 0 stays so.
        arrays = []
        if state is not None and state.descent.columns is not None:
            chosen.append(state.descent.columns)
        elif state is not None:
            arrays += (state.descent.rule or {}).values()
        arrays += [] if state is None else [state.descent.iterate]
        for moving in (last.coef, *arrays):
            if np.ndim(moving) or sparse.issparse(moving):
                shape = (-1, moving.shape[-1])
                chosen.append(moving.reshape(shape)[:, :d].nonzero()[1])
    columns = np.sort(np.concatenate(chosen))
    # As np.unique, which hashes first: 0.2 ms for 5,000 entries.
    columns = columns[np.append(True, columns[1:] != columns[:-1])[: len(columns)]]
    return None if len(columns) >= MOST_COLUMNS * d else columns


class StreamCall:
    """An epoch over the rows of a call, in the columns in play.

    Parameters
    ----------
    settings, rows, loss, last
        As in `stream_call`.
    columns : ndarray of int or None
        The columns in play; None for all.

    Attributes
    ----------
    outcome : Outcome
        Of all columns.
    mean_losses : tuple of float
        Of the rows before and after, without the penalty.
    objective, geometry, rule
        Of the columns in play.
    learning_rate : float
    undone : int
        Steps taken back.
    """

    def __init__(self, settings, rows, loss, last, columns):
        self.settings, self.columns, self.n_features = settings, columns, rows.X.shape[1]
        carried = self.carried = None if last is None else last.state
        if columns is not None:
            rows = rows.of_columns(columns)
        origin = Origin.zero(rows.X.shape[1], rows.n_outputs)
        self.objective = objective_of(settings, rows, loss, origin=origin)
        self.n_rows, self.weight = len(rows.y), rows.weight
        self.batch_size = batch_of(settings, self.n_rows) or self.n_rows
        self.before = (carried and carried.stream) or StreamRecord.empty(self.n_features)
        self.geometry = streamed_geometry(
            self.objective,
            streamed_preconditioner_of(
                settings.preconditioner, learning_rate=settings.learning_rate
            ),
            given=rows,
            batch_size=self.batch_size,
            before=self.before.of(columns),
        )
        self.rule, rate = stream_rule(
            self.geometry,
            learning_rate=settings.learning_rate,
            momentum=settings.momentum,
            momentum_type=settings.momentum_type,
            batch_size=self.batch_size,
            rows_before=0 if carried is None else carried.n_rows,
        )
        self.learning_rate = float(rate[0])
        self.meaning = meaning_of(settings, self.rule, self.geometry)
        self.state = None if carried is None else carried.descent_for(self.meaning)
        # Whether the last call was one of partial_fit, too.
        self.goes_on = self.state is not None and carried.history is not None
        self.coef, self.start = self._start(last)

    @property
    def momentum(self):
        """The momentum used."""
        return float(self.rule.momentum[0])

    @property
    def history(self):
        """That of the calls before this one."""
        return (self.carried and self.carried.history) or StreamHistory.empty()

    @property
    def largest_loss(self):
        """The largest finite loss of a call's rows before its steps, this call's among them."""
        losses = np.append(self.history.columns()["loss_before"], self.mean_losses[0])
        return losses[np.isfinite(losses)].max(initial=0.0)

    def state_after(self, kept):
        """The `FitState` that the call leaves to the next one."""
        before = self.carried
        history = self.history.with_call(
            n_seen=self.history.n_seen + self.n_rows,
            loss_before=self.mean_losses[0],
            loss_after=self.mean_losses[1],
            learning_rate=self.outcome.history["learning_rate"][-1],
            momentum=self.momentum,
        )
        return FitState(
            descent=self.outcome.state,
            kept=kept,
            meaning=self.meaning,
            draws=Draws() if before is None else before.draws,
            n_rows=0 if before is None else before.n_rows,
            weight=self.weight + (0.0 if before is None else before.weight),
            stream=self.record,
            history=history,
        )

    @cached_property
    def record(self):
        """What the rows so far have shown of all columns; as it was where nothing is measured."""
        if self.geometry.name is None:
            return self.before
        return self.before.with_columns(self.columns, self.objective.moments.record)

    def _start(self, last):
        """The coefficients of all columns, and those in play with the intercept."""
        objective = self.objective
        if last is not None:
            coef = last.coefficients((objective.n_outputs, self.n_features))
            intercept = last.intercept
        else:
            null = self.geometry.starts_at_null
            theta = (objective.null_model if null else objective.zeros)(1)[0]
            coef = np.zeros((len(theta), self.n_features))
            intercept = theta[:, -1] if objective.fit_intercept else 0.0
        start = objective.zeros(1)[0]
        start[:, : objective.n_features] = self._in_play(coef)
        if objective.fit_intercept:
            start[:, -1] = intercept
        return coef, start

    def weighed_losses(self):
        """The losses before and after, with a row counting for what it counts for in a step."""
        points = self.start, self._in_play(self.outcome.theta)
        return [self.objective.rows.loss_of_steps(theta[None])[0] for theta in points]

    def _in_play(self, array):
        """The columns in play, and the intercept where the array has one."""
        if self.columns is None:
            return array.copy()
        if array.shape[1] == self.n_features:
            return array[:, self.columns]
        return array[:, np.append(self.columns, -1)]

    def run(self, started, verbose=False):
        """Descend, and scatter what came of it over all columns."""
        theta, state = self.start.copy(), self._state_in_play()
        shrunk = self._shrink([theta, *self._moving(state)])
        guarded = Guarded(self.rule)
        printer = Printer() if verbose else None
        plan = replace(plan_of(self.settings, self.n_rows), **PLAN, batch_size=self.batch_size)
        with one_blas_thread():  # as in `fit`: batches are small
            outcome = descend(
                objective=self.objective,
                geometry=self.geometry,
                rule=guarded,
                theta=theta[None],
                learning_rate=np.array([self.learning_rate]),
                plan=plan,
                state=state,
                started=started,
                observer=printer,
            )[0]
        if printer is not None:
            printer.close()
        self.undone = guarded.undone + (outcome.status is Status.DIVERGED)
        if shrunk:
            self._begin_before_shrinking(outcome.history)
        self.mean_losses = self._mean_losses(outcome)
        self.outcome = outcome
        if self.columns is not None and not self.undone:
            # Of steps that were taken back there is nothing to scatter.
            self.outcome = scatter(self, outcome)

    def _state_in_play(self):
        """The state carried on, of the columns in play."""
        if self.state is None:
            return None
        before = self.state.origin
        # What a stream leaves is about 0.
        moved = bool(self.objective.fit_intercept) and not self.goes_on
        moved = moved and bool(before.rows.any() or before.targets.any())

        def in_play(array, point, known):
            if known is not None:
                return of_columns(array, known, self.columns)
            # About 0, where a fit had it about an origin of its own.
            return self._in_play(before.unshift(array, point=point) if moved else array)

        state = self.state.whole(self.n_features) if self.columns is None else self.state
        rule, iterate = state.rule, state.iterate
        return replace(
            state,
            rule=rule
            and {name: in_play(array, False, state.columns) for name, array in rule.items()},
            iterate=None if iterate is None else in_play(iterate, True, None),
            columns=None,
            origin=self.objective.origin,
        )

    @staticmethod
    def _moving(state):
        """Velocity and iterate of a state, those that there are."""
        if state is None:
            return []
        arrays = [(state.rule or {}).get("velocity"), state.iterate]
        return [array for array in arrays if array is not None]

    def _shrink(self, arrays):
        """Take coefficients down, in place, as far as their columns' scales went up.

        What was learned of a column while it was small holds on its old scale; b + center . w
        stays where it is.
        """
        if self.geometry.name is None:
            return False
        moments, d = self.objective.moments, self.objective.n_features
        if np.all(moments.shrinkage == 1):
            return False
        for array in arrays:
            lost = array[:, :d] * (1 - moments.shrinkage)
            array[:, :d] -= lost
            if self.objective.fit_intercept:
                array[:, -1] += lost @ moments.center
        return True

    def _begin_before_shrinking(self, history):
        """The facts of the start, at the coefficients that the call was handed."""
        theta = self.start[None]
        F, G = self.objective.evaluate(theta)
        history["loss"][0] = F[0]
        norm = self.geometry.norm(G, self.objective.coefficients(theta))
        history["gradient_norm"][0] = norm[0]

    def _mean_losses(self, outcome):
        points = self.start, outcome.theta
        return tuple(
            max(float(F - self._penalty(point)), 0.0)
            for F, point in zip(outcome.history["loss"][[0, -1]], points)
        )

    def _penalty(self, theta):
        """Of a point of shape (k, any), the intercept last."""
        d = theta.shape[1] - self.objective.fit_intercept
        return self.objective.penalty.value(theta[None, :, :d])[0]
