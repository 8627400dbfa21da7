"""The descent: one loop for fit, partial_fit and search.

An epoch is one pass over the rows: one step with the whole gradient, or one step a
mini-batch.  After it F and its gradient are evaluated exactly, once, for the history, the
stopping rules and, in full batches, the next step.  Candidates that are
done leave the batch; the others go on.
"""

import time

import numpy as np

from .claims import verify
from .history import DescentState, History, Mean, Outcome, Status
from .rules.in_place import InPlaceSteps
from .rules.lazy import LazySteps
from .rules.sparse_batches import whole_rows
from .schedules import schedule_factor
from .stopping import PLATEAU_TIME_CONSTANTS, Stopping

# How an epoch of sparse mini-batches may be taken at once.
SPARSE_BATCHES = (LazySteps, InPlaceSteps)


def descend(
    *,
    objective,
    geometry,
    rule,
    theta,
    learning_rate,
    plan,
    rng=None,
    state=None,
    validation=None,
    started=None,
    observer=None,
):
    """Minimise F for all candidates at once.

    Parameters
    ----------
    objective : Objective
    geometry : Geometry
    rule : Rule
    theta : ndarray of shape (m, k, p)
        Where to start; overwritten.
    learning_rate : ndarray of shape (m,)
    plan : Plan
    rng : numpy RandomState, optional
        For the order of the rows in mini-batches.
    state : DescentState, optional
        The state of an earlier outcome of a single candidate, to be carried on.
    validation : Objective, optional
        The validation rows: their mean loss is recorded every epoch.
    started : float, optional
        When the fit began, by time.perf_counter.
    observer : observer of `_callbacks`, optional
        Told of every epoch; may end the descent.

    Returns
    -------
    list of Outcome
    """
    descent = Descent(
        objective=objective,
        geometry=geometry,
        rule=rule,
        theta=theta,
        learning_rate=learning_rate,
        plan=plan,
        rng=rng,
        state=state,
        validation=validation,
        started=time.perf_counter() if started is None else started,
        observer=observer,
    )
    descent.advance(plan.max_iter)
    return descent.outcomes


class Descent:
    """The iterate of a descent; all arrays are of the active candidates.

    `descend` takes it to its end.  In legs it stands still between two calls of `advance`, and
    goes on as if it had not: nothing is made anew.

    Parameters
    ----------
    **facts
        As `descend` takes them; none is left out.

    Attributes
    ----------
    epoch : int
        The last one; -1 before the start is accounted for.
    active : ndarray of int
        Candidates that are neither done nor dropped.
    outcomes : list of Outcome or None
        Of the last leg; None where a candidate was not active in it.
    """

    def __init__(self, **facts):
        self.__dict__.update(facts)
        self.epoch = -1
        # Overflow on the way to divergence is expected and is reported as divergence.
        with np.errstate(all="ignore"):
            self._set_up()

    def _set_up(self):
        m = len(self.theta)
        n = self.objective.rows.n_rows
        self.full_batch = self.plan.batch_size is None or self.plan.batch_size >= n
        # A stream may weigh its rows in a step otherwise than in F.
        self.full_batch &= not self.plan.streaming
        self.active = np.arange(m)
        self.outcomes = [None] * m
        self.reason = np.full(m, "rounding", dtype=object)
        self.column = np.zeros(m, dtype=int)
        self.history = History(m)
        self.epochs_before = 0
        self.mean = Mean(self.theta.copy()) if self.plan.average else None
        if self.state is not None:
            self._resume_iterate(self.state)
        self.rule.init(self.theta)
        self.sparse_batches = None
        if not self.full_batch and self.mean is None:
            facts = self.objective, self.geometry, self.rule
            takes = (steps(*facts) for steps in SPARSE_BATCHES if steps.can_take(*facts))
            self.sparse_batches = next(takes, None)
        if self.state is not None and self.state.rule is not None:
            self.state = self.state.whole(self.objective.n_features)
            self.rule.state = self._moved(self.state.rule, self.state.origin)
        self._evaluate()
        self.stopping = self._stopping_rules(n)

    @property
    def point(self):
        """The coefficients that count: the iterate, or the mean of the iterates."""
        return self.mean.value if self.plan.average else self.theta

    def _evaluate(self):
        """F and its gradient at `point`; with half a sweep where the rule knows the margins."""
        if not (self.full_batch or self.plan.gradient_norms or self.history.n_rows == 0):
            self.F, self.G = self.objective.value(self.point), np.full_like(self.theta, np.nan)
            return
        local = self.rule.local if self.mean is None else None
        self.F, self.G = self.objective.evaluate(self.point, local)

    def _resume_iterate(self, state):
        self.epochs_before = state.epochs
        if self.plan.average and state.iterate is not None:
            self.mean.count = state.averaged
            self.theta = state.iterate[None].copy()

    def _moved(self, arrays, before):
        """A rule's state, with the candidate axis, about the origin of these rows.

        Without what no step could change in columns that are constant by now.
        """
        now, arrays = self.objective.origin, {k: v[None] for k, v in arrays.items()}
        for name, values in arrays.items():
            if values.shape != self.theta.shape:
                continue
            if now != before and self.objective.fit_intercept:
                point = name in self.rule.points
                values = now.shift(before.unshift(values, point=point), point=point)
            arrays[name] = self.geometry.reachable(values)
        return arrays

    def _stopping_rules(self, n):
        m = len(self.theta)
        null = self.objective.null_model(m)
        if np.array_equal(null, self.point):
            null_loss, null_gradient = self.F, self.G
        else:
            null_loss, null_gradient = self.objective.evaluate(null)
        if self.objective.fit_intercept:
            # The best intercept has no gradient but rounding.
            null_gradient[..., -1] = 0.0
        scale = self.geometry.norm(null_gradient, self.objective.coefficients(null))
        size = n if self.full_batch else self.plan.batch_size
        stopping = Stopping(
            n_candidates=m,
            null_loss=null_loss[0],
            null_norm=scale,
            start_loss=np.full(m, np.inf) if self.plan.streaming else self.F,
            tol=self.plan.tol,
            n_iter_no_change=self.plan.n_iter_no_change,
            full_batch=self.full_batch,
            adaptive=self.plan.schedule == "adaptive",
            early_stopping=self.plan.early_stopping,
            patience_steps=PLATEAU_TIME_CONSTANTS / (1 - self.rule.momentum),
            steps_per_epoch=-(-n // size),
            follows_curvature=self.rule.searches and self.geometry.can_reweight,
        )
        if self.state is not None:
            # Counts go on only where the last call was interrupted: on the same loss.
            if self.state.status == Status.MAX_ITER:
                same = self.state.loss == self.F[0]
                carried = {k: v[None] for k, v in self.state.stopping.items()}
                stopping.resume(carried, counts=same)
        return stopping

    def advance(self, until):
        """Epoch after epoch up to this one, or until no candidate is left: a leg.

        Candidates that are still active then stand as they would had it been the last epoch.
        """
        self.outcomes = [None] * len(self.outcomes)
        with np.errstate(all="ignore"):
            if self.epoch < 0:
                self._begin()
            while self.epoch < until and len(self.active):
                self._advance(self.epoch + 1)
        standing = np.full(len(self.active), Status.MAX_ITER, dtype=object)
        self._write(standing)
        if self.epoch == self.plan.max_iter:
            self.active = self.active[:0]

    def _begin(self):
        self.best = self.point.copy()
        self.best_key = np.full(len(self.theta), np.inf)
        self.best_iter = np.zeros(len(self.theta), dtype=int)
        self.epoch = 0
        self._account(learning_rate=np.nan, momentum=np.nan)

    def _advance(self, epoch):
        if self.observer:
            self.observer.begin(epoch)
        rate = self.learning_rate * self.stopping.factor * self._factor(epoch - 1)
        self._epoch(rate.astype(self.theta.dtype)[:, None, None])
        self._evaluate()
        used = rate if self.rule.learning_rate is None else self.rule.learning_rate
        self.epoch = epoch
        self._account(learning_rate=used, momentum=self.rule.momentum)

    def drop(self, candidates):
        """Go on without some of the candidates."""
        self._keep(~np.isin(self.active, candidates))

    def _factor(self, epoch_of_call):
        return schedule_factor(
            self.plan.schedule,
            epoch=self.epochs_before + epoch_of_call,
            epoch_of_call=epoch_of_call,
            max_iter=self.plan.max_iter,
        )

    def _epoch(self, eta):
        """All steps of one epoch."""
        self.rule.goal = self.stopping.gradient_limit(self.F)
        if self.sparse_batches is not None:
            n_steps = -(-self.objective.rows.n_rows // self.plan.batch_size)
            self.sparse_batches.epoch(self.theta, eta, self._batches(whole_rows), n_steps)
            return
        for G in self._gradients():
            self.rule.step(self.theta, G, eta)
            if self.mean is not None:
                self.mean.add(self.theta)

    def _gradients(self):
        """The gradient at the iterate of the moment, once a step."""
        if self.full_batch:
            yield self.G if self.mean is None else self.objective.evaluate(self.theta)[1]
            return
        for batch in self._batches():
            yield self.objective.batch_gradient(self.theta, batch)

    def _batches(self, view=None):
        """The mini-batches of an epoch, in an order of their own."""
        rng = self.rng if self.plan.shuffle else None
        return self.objective.batches(rng, self.plan.batch_size, view)

    def _account(self, *, learning_rate, momentum):
        """Record the epoch, remember the best, let go of the candidates that are done."""
        point, epoch = self.point, self.epoch
        norm = self.geometry.norm(self.G, self.objective.coefficients(point))
        facts = {"loss": self.F}
        validation_loss = None
        if self.validation is not None:
            validation_loss = facts["validation_loss"] = self.validation.mean_loss(point)
        facts |= {"gradient_norm": norm, "learning_rate": learning_rate, "momentum": momentum}
        facts["seconds"] = time.perf_counter() - self.started
        self.history.record(self.active, **facts)
        self._remember(validation_loss if self.plan.early_stopping else self.F)
        status = self.stopping.check(
            self.F,
            norm,
            validation_loss,
            exhausted=self.rule.exhausted if self.mean is None else False,
            start=epoch == 0,
            counts=not self.plan.streaming and not (epoch == 0 and self.stopping.counted_start),
        )
        if self.plan.tol > 0 and self.full_batch:
            verify(self, status, norm)
        if self.observer and self.observer.end(epoch, facts, self.objective.released(point)):
            status[status == None] = Status.STOPPED  # noqa: E711 - elementwise on an object array
        if any(status):
            self._write(status)
            self._keep(~status.astype(bool))

    def _remember(self, key):
        better = key < self.best_key
        if all(better):
            np.copyto(self.best, self.point)
            self.best_key = key.copy()
            self.best_iter[:] = self.epoch
        elif any(better):
            self.best[better] = self.point[better]
            self.best_key[better] = key[better]
            self.best_iter[better] = self.epoch

    def _write(self, status):
        """The outcomes of the candidates with a status."""
        epoch = self.epoch
        for i in np.flatnonzero(status.astype(bool)):
            candidate, ended = self.active[i], Status(status[i])
            gives_back_best = self.plan.early_stopping or ended.gives_back_best
            best_iter = int(self.best_iter[i]) if gives_back_best else epoch
            theta = self.best[i] if gives_back_best else self.point[i]
            self.outcomes[candidate] = Outcome(
                theta=self.objective.released(theta),
                status=ended,
                n_iter=epoch,
                best_iter=best_iter,
                history=self.history.of(candidate),
                reason=self.reason[candidate] if ended is Status.STALLED else None,
                column=int(self.column[candidate]) if ended is Status.STALLED else None,
                state=self._state_of(i, ended, theta, at_last=best_iter == epoch),
                null_norm=float(self.stopping.null_norm[i]),
            )

    def _state_of(self, i, status, point, *, at_last):
        """What carries the candidate on."""
        averages = self.mean is not None and at_last
        return DescentState(
            origin=self.objective.origin,
            epochs=self.epochs_before + self.epoch,
            status=status,
            loss=float(self.F[i]),
            stopping={k: v[i].copy() for k, v in self.stopping.state.items()},
            rule={k: v[i].copy() for k, v in self.rule.state.items()} if at_last else None,
            point=point.copy() if self.objective.rounds else None,
            iterate=self.theta[i].copy() if averages else None,
            averaged=self.mean.count if averages else 0,
        )

    def _keep(self, kept):
        if all(kept):
            return
        self.active = self.active[kept]
        if len(self.active) == 0:
            return
        self.theta, self.G, self.F = self.theta[kept], self.G[kept], self.F[kept]
        self.best, self.best_key = self.best[kept], self.best_key[kept]
        self.best_iter = self.best_iter[kept]
        self.learning_rate = self.learning_rate[kept]
        if self.mean is not None:
            self.mean.value = self.mean.value[kept]
        for each in (self.objective, self.geometry, self.rule, self.stopping):
            each.keep(kept)
