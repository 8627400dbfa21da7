"""Which candidates of a grid descend together."""

from collections import defaultdict
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from traceback import format_exc

from sklearn.base import clone

from .._estimators.parameters import check_each
from .pipelines import last_step

# Candidates may differ in these and still descend together.
TOGETHER = ("learning_rate", "momentum", "alpha")


def searched_step(estimator, *, user="A search of this package"):
    """The last step that a search varies, and its prefix in parameter names."""
    return last_step(
        estimator,
        user=user,
        instead="; use sklearn.model_selection.GridSearchCV for it",
    )


@dataclass
class Group:
    """Candidates that descend together.

    Attributes
    ----------
    model : BaseMomentum or Pipeline
        Unfitted, with all parameters that they share.
    candidates : list of int
    knobs : list of dict
        The learning_rate, momentum and alpha of each, where the grid sets them.
    errors : list of str or None
        What is wrong with a candidate's parameters.
    """

    model: object
    candidates: list = field(default_factory=list)
    knobs: list = field(default_factory=list)
    errors: list = field(default_factory=list)

    def cut(self, at_most):
        """As many groups of about equal size as there are candidates for, at most ``at_most``."""
        at_most = min(at_most, len(self.candidates))
        return [
            Group(
                self.model,
                *(each[i::at_most] for each in (self.candidates, self.knobs, self.errors)),
            )
            for i in range(at_most)
        ]

    def estimators(self, model):
        """The last steps of all candidates, for a model of this group.

        Shallow copies: their other parameters are one object, which only the first one uses.
        """
        final = searched_step(model)[0]
        return [set_knobs(copy(final), knobs) for knobs in self.knobs]


def set_knobs(final, knobs):
    """Set learning_rate, momentum or alpha as `set_params` would, without its overhead."""
    vars(final).update(knobs)
    return final


def group_candidates(estimator, candidates, error_score, *, user):
    """Settings of the earlier steps, each a list of groups of candidates that descend together.

    Parameters
    ----------
    estimator : BaseMomentum or Pipeline
    candidates : list of dict
    error_score : "raise" or numeric
        Whether a candidate with invalid parameters is an error at once.
    user : str
        The search, for the error where a candidate's last step is not of this package.

    Returns
    -------
    list of list of Group
        Without earlier steps every group is a setting of its own, for `n_jobs` to spread.
    """
    models, settings = {}, defaultdict(dict)
    prefix = searched_step(estimator, user=user)[1]
    for i, parameters in enumerate(candidates):
        knobs = {n.removeprefix(prefix): v for n, v in parameters.items() if is_knob(n, prefix)}
        others = {n: v for n, v in parameters.items() if not is_knob(n, prefix)}
        key = tuple((name, identity(others[name])) for name in sorted(others))
        if key not in models:
            models[key] = clone(estimator).set_params(**clone(others, safe=False))
        model = models[key]
        final = set_knobs(copy(searched_step(model, user=user)[0]), clone(knobs, safe=False))
        # The rule differs between numbers and "auto", and where there is an L1 part.
        kinds = (is_auto(final.learning_rate), is_auto(final.momentum), has_l1(final))
        earlier = tuple(each for each in key if not each[0].startswith(prefix))
        setting = earlier if prefix else (key, kinds)
        group = settings[setting].setdefault((key, kinds), Group(model))
        group.candidates.append(i)
        group.knobs.append({name: getattr(final, name) for name in knobs})
        group.errors.append(attempt(partial(check_each, final), error_score))
    return [list(groups.values()) for groups in settings.values()]


def balanced(tasks, n_workers):
    """Cut the tasks that the last round leaves over among all workers.

    Five splits take two workers three rounds; with the fifth one halved two and a half.
    """
    over = len(tasks) % n_workers
    at_most = n_workers // over if over else 1
    whole, cut = tasks[: len(tasks) - over], tasks[len(tasks) - over :]
    return whole + [(split, [each]) for split, (group,) in cut for each in group.cut(at_most)]


def is_knob(name, prefix):
    """Whether a grid's parameter is one that candidates that descend together may differ in."""
    return name.startswith(prefix) and name.removeprefix(prefix) in TOGETHER


def identity(value):
    """A key: equal only for what cannot be told apart."""
    try:
        hash(value)
    except TypeError:
        return id(value)
    return type(value), value


def is_auto(value):
    """Whether a knob is left to us."""
    return isinstance(value, str) and value == "auto"


def has_l1(final):
    """Whether the penalty has an L1 part; invalid parameters are found out later."""
    try:
        return bool(final.alpha * final.l1_ratio > 0)
    except TypeError:
        return False


def attempt(check, error_score):
    """The traceback of what check() raises, or None."""
    try:
        check()
    except Exception:
        if error_score == "raise":
            raise
        return format_exc()
    return None
