"""Who watches a descent: the printer of `verbose`, and scikit-learn's callbacks (1.9 on).

An observer has ``begin(epoch)``, called before an epoch, and ``end(epoch, facts, theta)``, called
after it and once for the start, epoch 0, without a ``begin``; True asks the descent to stop.
"""

from contextlib import contextmanager

import numpy as np

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:
        """Nothing: there are no callbacks."""


# What scikit-learn keeps on an estimator while its callbacks run, and tears down afterwards.
LIFECYCLE = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")


def watched(estimator):
    """Whether callbacks are set, or a meta-estimator keeps a place for this fit."""
    return hasattr(estimator, "_skl_callbacks") or hasattr(estimator, "_parent_callback_ctx")


class Observers:
    """Several observers as one.

    Parameters
    ----------
    *observers : observer or None
    """

    def __init__(self, *observers):
        self.observers = [each for each in observers if each is not None]

    def __bool__(self):
        return bool(self.observers)

    def begin(self, epoch):
        """Tell all."""
        for each in self.observers:
            each.begin(epoch)

    def end(self, epoch, facts, theta):
        """Ask all, whatever the first one says."""
        asked = [each.end(epoch, facts, theta) for each in self.observers]
        return any(asked)


class Printer:
    """A line an epoch at growing intervals, 0 ... 10, 20 ... 100, 200 ..., and one for the last.

    Of the first candidate that is still active.
    """

    HEADER = "  epoch           loss  gradient norm  learning rate   momentum    seconds"
    unsaid = None

    def begin(self, epoch):
        """Nothing to say yet."""

    def end(self, epoch, facts, theta):
        """Print the line, with a header above the first."""
        if epoch == 0:
            print(self.HEADER)
        self.unsaid = self.line(epoch, facts)
        if epoch % 10 ** max(0, len(str(epoch)) - 1) == 0:
            self.close()
        return False

    def close(self):
        """Print the line of the last epoch, unless it has been."""
        if self.unsaid is not None:
            print(self.unsaid)
        self.unsaid = None

    def line(self, epoch, facts):
        """What is printed of an epoch."""
        loss, norm, rate, momentum, seconds = (
            np.ravel(facts[name])[0]
            for name in ("loss", "gradient_norm", "learning_rate", "momentum", "seconds")
        )
        validation = ""
        if "validation_loss" in facts:
            validation = f"  validation loss {np.ravel(facts['validation_loss'])[0]:.6g}"
        return (
            f"{epoch:>7}{loss:>15.8g}{norm:>15.4g}{rate:>15.4g}{momentum:>11.4g}"
            f"{seconds:>11.3f}{validation}"
        )


class FitTasks:
    """The tasks of one fit: the fit itself, and one an epoch.

    Parameters
    ----------
    estimator : BaseMomentum
    X, y, sample_weight
        As handed to `fit`.
    max_epochs : int
    fitted : callable
        fitted(theta, history) -> the fitted attributes for coefficients of shape (k, p).
    """

    def __init__(self, estimator, X, y, sample_weight, *, max_epochs, fitted):
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.facts = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.fitted = fitted
        self.epochs = []
        self.root = estimator._init_callback_context(max_subtasks=max_epochs)
        self.root.call_on_fit_task_begin(**self.facts)

    def begin(self, epoch):
        """The task of this epoch begins."""
        self.task = self.root.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(**self.facts)

    def end(self, epoch, facts, theta):
        """It ends; whoever asks for the fitted estimator gets copies."""
        self.epochs.append({name: np.ravel(value)[0] for name, value in facts.items()})
        if epoch == 0:
            return False
        return self.task.call_on_fit_task_end(
            **self.facts, reconstruction_attributes=lambda: self.fitted(theta[0], self.history())
        )

    def history(self):
        """The start and the epochs so far, as arrays."""
        return {name: np.array([each[name] for each in self.epochs]) for name in self.epochs[0]}

    def close(self, outcome):
        """The fit ends."""

        def fitted():
            history = {name: column.copy() for name, column in outcome.history.items()}
            return self.fitted(outcome.theta, history)

        self.root.call_on_fit_task_end(**self.facts, reconstruction_attributes=fitted)


class SearchTasks:
    """The tasks of a search: fit > search > one a split (and group) > one an epoch; the refit.

    In a race every leg of it is a search.

    Parameters
    ----------
    search : BaseMomentumSearch
    X, y, sample_weight
        As handed to `fit`.
    refits, races : bool
    """

    def __init__(self, search, X, y, sample_weight, *, refits, races):
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.facts = {"estimator": search, "X": X, "y": y, "metadata": metadata}
        number = None if races else 1 + refits
        self.root = search._init_callback_context(max_subtasks=number)
        self.root.call_on_fit_task_begin(**self.facts)

    def splits(self, number):
        """Begin the search; a context for each of its tasks."""
        self.search = self.root.subcontext(
            task_name="search", max_subtasks=number, sequential_subtasks=False
        )
        self.search.call_on_fit_task_begin(**self.facts)
        return [
            self.search.subcontext(task_name="split", task_id=i, max_subtasks=None)
            for i in range(number)
        ]

    def searched(self):
        """The search ends."""
        self.search.call_on_fit_task_end(**self.facts)

    @contextmanager
    def refit(self, estimator):
        """The refit, whose own tasks are part of this tree."""
        task = self.root.subcontext(task_name="refit-with-best-params")
        with task.propagate_callback_context(estimator):
            task.call_on_fit_task_begin(**self.facts)
            yield
        task.call_on_fit_task_end(**self.facts)

    def close(self):
        """The fit ends."""
        self.root.call_on_fit_task_end(**self.facts)


class SplitTasks:
    """The tasks of one split: one an epoch, for all candidates together.

    Parameters
    ----------
    search : BaseMomentumSearch
    context : CallbackContext
    """

    def __init__(self, search, context):
        self.estimator, self.context = search, context
        context.call_on_fit_task_begin(estimator=search)

    def begin(self, epoch):
        """The task of this epoch begins."""
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(estimator=self.estimator)

    def end(self, epoch, facts, theta):
        """It ends; a request to stop ends the descent of all candidates."""
        return epoch > 0 and self.task.call_on_fit_task_end(estimator=self.estimator)

    def close(self):
        """The split ends."""
        self.context.call_on_fit_task_end(estimator=self.estimator)
