"""Dask collections: checked and encoded partition by partition, never brought together.

A first read finds lengths, dtypes, what is not a number, labels and weights; the targets and
weights then stay with the workers, and X is read anew by every pass (`_core.rows.dask`).
"""

from dataclasses import dataclass, replace

import dask
import numpy as np
from dask import delayed
from sklearn.base import is_classifier

from .._compat import check_feature_names, check_n_features
from .._core.rows.dask import DaskRows
from .._core.rows.origin import Origin, few_of, middle_of_far
from .labels import distinct
from .partitions import Encoder, LabelChecker, NumberChecker, look, partition_of
from .validation import (
    NO_WEIGHTS,
    TRAINING,
    no_weight,
    refuse_no_target,
)


def partitions_of(X):
    """The blocks of columns of every partition of a collection, as lists of Delayed."""
    if hasattr(X, "simplify"):
        # Only the columns asked for are read. Any further and Dask would read several partitions
        # of few columns as one: those of y would no longer be those of X.
        return [[each] for each in X.simplify().to_delayed(optimize_graph=False)]
    if X.ndim == 1:
        return [[each] for each in np.ravel(X.to_delayed())]
    return X.to_delayed().tolist()


def is_lazy(blocks):
    """Whether partitions are computed when they are read; else they are data already."""
    graph = dict(blocks[0][0].__dask_graph__())
    return any(hasattr(task, "func") for task in graph.values())


def known_chunks(X):
    """The lengths of the partitions; None where the collection does not know them."""
    chunks = getattr(X, "chunks", None)
    return None if chunks is None or np.isnan(chunks[0]).any() else chunks[0]


def aligned(X, other, name_X, name):
    """Another collection's partitions, cut as those of X."""
    chunks = known_chunks(X)
    if not dask.is_dask_collection(other):
        if chunks is None:
            raise ValueError(
                f"{name} is not a Dask collection, and {name_X} does not know how long its "
                f"partitions are; give {name} as a collection cut like {name_X}, such as "
                f"another column of the same data frame."
            )
        other = np.asarray(other)
        if len(other) != sum(chunks):
            raise ValueError(
                f"{name_X} and {name} have inconsistent numbers of samples: {sum(chunks)} rows "
                f"and {len(other)}; they have to be as many."
            )
        ends = np.cumsum(chunks)
        return [[delayed(other[b - a : b], traverse=False)] for a, b in zip(chunks, ends)]
    own = known_chunks(other)
    if chunks is not None and own is not None:
        if sum(chunks) != sum(own):
            raise ValueError(
                f"{name_X} and {name} have inconsistent numbers of samples: {sum(chunks)} rows "
                f"and {sum(own)}; they have to be as many."
            )
        if chunks != own:
            other = other.rechunk({0: chunks})
    theirs, mine = partitions_of(other), partitions_of(X)
    if len(theirs) != len(mine):
        raise ValueError(
            f"{name_X} has {len(mine)} partitions and {name} has {len(theirs)}, of unknown "
            f"lengths; cut them alike, for example with {name}.repartition(...), or let them "
            "know their lengths with compute_chunk_sizes()."
        )
    return theirs


@dataclass
class CollectionRows:
    """Rows of a Dask collection that have passed all checks.

    Attributes
    ----------
    blocks, y, weights : list
        Of every partition that has rows: blocks of X, targets, weights, as Delayed.
    found : list of Found
    checker : object
        How targets are checked in a partition, and told apart.
    classes : ndarray or None
    factors : ndarray
        The weight of every label.
    n_outputs, n_features : int
    gram_pays : bool
        Whether a Gram matrix is known to pay before anything is read.
    """

    # Tasks have the threads that their workers were given.
    fit_into_one_chunk = False

    blocks: list
    y: list
    weights: list
    found: list
    checker: object
    classes: np.ndarray | None
    factors: np.ndarray
    n_outputs: int
    n_features: int
    gram_pays = False

    @property
    def n_rows(self):
        """Rows of positive weight."""
        return sum(self._counted(each) for each in self.found)

    def _counted(self, found):
        """Rows of a partition whose labels weigh anything, too."""
        return int(found.counts[self._factors_of(found) > 0].sum())

    def of_positive_weight(self):
        """Without partitions that have no such row."""
        chosen = [i for i, each in enumerate(self.found) if self._counted(each)]
        lists = {name: getattr(self, name) for name in ("blocks", "y", "weights", "found")}
        return replace(self, **{name: [each[i] for i in chosen] for name, each in lists.items()})

    def _factors_of(self, found):
        """The weights of a partition's labels."""
        if self.classes is None:
            return self.factors
        known = dict(zip(self.classes.tolist(), self.factors.tolist()))
        # Labels of rows without weight are no classes.
        return np.array([known.get(label, 0.0) for label in found.labels.tolist()])

    @property
    def dtype(self):
        """float32 where all of X is."""
        return np.result_type(*(each.dtype for each in self.found))

    @property
    def _heaviest(self):
        """The largest weight of a row."""
        return max(each.heaviest for each in self.found)

    @property
    def _total(self):
        """The sum of the weights, times those of the labels, in units of the heaviest."""
        return sum(
            float(each.shares @ self._factors_of(each)) * (each.heaviest / self._heaviest)
            for each in self.found
        )

    @property
    def weight(self):
        """The sum of the weights, times those of the labels."""
        return float(self._total * self._heaviest)

    def for_loss(self, loss, *, fit_intercept, origin=None):
        """The rows of the core, for a loss."""
        heaviest, total = self._heaviest, self._total
        if origin is None:
            origin = self._origin(loss) if fit_intercept else None
        if origin is None:
            origin = Origin.zero(self.n_features, self.n_outputs)
        encoder = Encoder(
            loss, self.n_outputs, self.classes, self.factors, heaviest, total, self.dtype, origin
        )
        task = delayed(partition_of, pure=False)
        shared = delayed(self.checker, traverse=False), delayed(encoder, traverse=False)
        partitions = dask.persist(*(task(y, w, *shared) for y, w in zip(self.y, self.weights)))
        few = np.concatenate([each.few for each in self.found])
        return DaskRows(
            self.blocks,
            list(partitions),
            loss=loss,
            n_rows=self.n_rows,
            n_features=self.n_features,
            n_outputs=self.n_outputs,
            dtype=self.dtype,
            origin=origin,
            rough_mean=few.mean(axis=0, dtype=np.float64) - origin.rows,
            lazy=is_lazy(self.blocks),
        )

    def _origin(self, loss):
        few = few_of(np.concatenate([each.few for each in self.found]))
        rows = middle_of_far(few)
        if self.found[0].sparse:
            stored = sum(each.stored for each in self.found)
            rows = np.where(stored == sum(each.n_rows for each in self.found), rows, 0.0)
        targets = np.zeros(self.n_outputs)
        if loss.is_quadratic:
            some = np.concatenate([each.few_targets for each in self.found])
            targets = middle_of_far(few_of(some))
        return Origin(rows, targets)


def validate_collection(estimator, X, y, sample_weight, *, reset, new_targets, names):
    """As `validate_rows`, of a Dask collection.

    Returns
    -------
    CollectionRows
    """
    if names is TRAINING:
        refuse_what_needs_memory(estimator)
    refuse_no_target(estimator, y, names)
    n_features = checked_columns(estimator, X, names.X, reset=reset)
    blocks = partitions_of(X)
    targets = aligned(X, y, names.X, names.y)
    weights = [[] for _ in blocks]
    if sample_weight is not None:
        weights = aligned(X, sample_weight, names.X, names.sample_weight)
    kind = LabelChecker if is_classifier(estimator) else NumberChecker
    checker = kind(type(estimator).__name__)
    task, shared = delayed(look, pure=False), delayed(checker, traverse=False)
    found = dask.compute(
        *(task(b, t, w, shared, names) for b, t, w in zip(blocks, targets, weights))
    )
    for number, each in enumerate(found):
        if each.error is not None:
            kind, _, message = each.error.partition(": ")
            error = {"TypeError": TypeError}.get(kind, ValueError)
            raise error(f"In partition {number}: {message}")
    if not any(each.n_rows for each in found):
        if any(each.dtype is not None for each in found):
            raise ValueError(NO_WEIGHTS.format(name=names.sample_weight))
        raise ValueError(f"Found no rows in {names.X}: all of its partitions are empty.")
    chosen = [i for i, each in enumerate(found) if each.n_rows]
    found = [found[i] for i in chosen]
    classes, factors = classes_of(estimator, found, new=new_targets, names=names)
    rows = CollectionRows(
        blocks=[blocks[i] for i in chosen],
        y=[targets[i] for i in chosen],
        weights=[weights[i] for i in chosen],
        found=found,
        checker=checker,
        classes=classes,
        factors=factors,
        n_outputs=outputs_of(estimator, found, new=new_targets, names=names),
        n_features=n_features,
    )
    if not rows.n_rows:
        raise no_weight(estimator, names)
    return rows.of_positive_weight()


def refuse_what_needs_memory(estimator):
    """Raise an error for arguments that need rows in an order of their own."""
    name = type(estimator).__name__
    if estimator.batch_size is not None:
        raise ValueError(
            f"batch_size={estimator.batch_size} draws rows in an order of their own, which a Dask "
            f"collection does not have; use batch_size=None, which reads every partition once a "
            f"pass, or {name}.partial_fit on one partition after the other."
        )
    if estimator.early_stopping:
        raise ValueError(
            "early_stopping=True cannot hold out rows of a Dask collection; split it (for example "
            "with X.partitions, or random_split of a data frame) and give the rest as X_val and "
            "y_val, with early_stopping=False."
        )


def checked_columns(estimator, X, name, *, reset):
    """The number of columns; their names and number as fitted on."""
    if getattr(X, "ndim", 2) != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D collection instead: {name} needs rows and columns."
        )
    n_features = X.shape[1]
    if hasattr(X, "columns"):
        check_feature_names(estimator, X._meta, reset=reset)
    else:
        check_feature_names(estimator, np.empty((1, n_features)), reset=reset)
    check_n_features(estimator, np.empty((1, n_features)), reset=reset)
    return n_features


def classes_of(estimator, found, *, new, names):
    """The classes, None of a regression, and the weight of every label."""
    if not is_classifier(estimator):
        return None, np.ones(1)
    labels = distinct(np.concatenate([each.labels for each in found]), names.y)
    place = {label: i for i, label in enumerate(labels.tolist())}
    heaviest = max(each.heaviest for each in found)
    totals, counts = np.zeros(len(labels)), np.zeros(len(labels))
    for each in found:
        index = [place[label] for label in each.labels.tolist()]
        totals[index] += each.shares * (each.heaviest / heaviest)
        counts[index] += each.counts
    weigh = counts > 0
    return estimator._encode_labels(labels[weigh], totals[weigh], new=new, names=names)


def outputs_of(estimator, found, *, new, names):
    """Raw predictions a row."""
    if is_classifier(estimator):
        return estimator._n_outputs(None)
    shapes = {each.like.shape[1:] for each in found}
    if len(shapes) > 1:
        raise ValueError(f"{names.y} has partitions with different numbers of targets: {shapes}.")
    return estimator._check_width(found[0].like, new=new, names=names)
