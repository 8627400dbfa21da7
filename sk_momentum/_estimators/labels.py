"""Labels and classes: checked, listed, turned into codes, and what each class weighs."""

from numbers import Real

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from .._wording import listed, plain


def check_labels(y, name):
    """Labels of shape (n_rows,), none of them missing."""
    if type(y) is np.ndarray and are_few_integers(y):
        return y
    if hasattr(y, "toarray"):
        raise ValueError(f"{name} is a sparse matrix; labels have to be dense: {name}.toarray().")
    y = column_or_1d(y, warn=True)
    refuse_missing(y, name)
    if y.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has complex numbers for labels.")
    if y.dtype.kind in "Mm":
        raise ValueError(
            f"Unknown label type: {name} holds dates or durations; for labels give them as "
            "strings or integers."
        )
    refuse_infinite(y, name)
    try:
        check_classification_targets(y)
    except ValueError:
        if y.dtype.kind == "O":
            distinct(y, name)
        raise
    return y


def are_few_integers(y):
    """Whether an array in one dimension holds integers of a range below half their number.

    scikit-learn's checks for what is no label, and for classes of a row or two, have nothing to
    say of them, and look at all labels three times: of 569 rows 8 % of a fit.
    """
    if y.dtype.kind not in "iu" or y.ndim != 1 or len(y) < 2:
        return False
    return int(y.max()) - int(y.min()) < len(y) // 2


def refuse_missing(labels, name):
    """Raise an error where a label is missing, whatever stands for it."""
    if labels.dtype.kind in "fcO":
        missing = [value for value in labels.tolist() if is_missing(value)]
        if missing:
            raise ValueError(
                f"Input {name} contains NaN or another missing label ({missing[0]}), "
                f"{len(missing)} of {len(labels)}; drop them, or give them a label of their own."
            )


def refuse_infinite(labels, name):
    """Raise an error where a label is infinite."""
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError(f"Input {name} contains infinity; labels have to be finite.")


def is_missing(value):
    """Whether a label is None, NaN, NaT or NA."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def distinct(labels, name, **kwargs):
    """np.unique, and an error where labels cannot be told apart by order."""
    try:
        return np.unique(labels, **kwargs)
    except TypeError as error:
        types = sorted({type(value).__name__ for value in labels.tolist()})
        raise ValueError(
            f"{name} mixes labels of types {', '.join(types)}, which have no common order; make "
            "all of them strings, or all of them numbers."
        ) from error


def class_list(classes):
    """The classes of a stream, sorted: from a list, array, Series, set or generator."""
    if isinstance(classes, str | bytes) or not hasattr(classes, "__iter__"):
        raise ValueError(
            f"classes={plain(classes)!r} is not a list; give all labels that will ever come, for "
            "example [0, 1]."
        )
    if not hasattr(classes, "shape"):
        classes = objects(classes)
    shape = np.shape(classes)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(
            f"classes has shape {shape}; give the labels in one dimension, for example [0, 1]."
        )
    classes = column_or_1d(classes)
    refuse_missing(classes, "classes")
    refuse_infinite(classes, "classes")
    classes = distinct(classes, "classes")
    if len(classes) < 2:
        raise ValueError(
            f"classes={listed(classes)} has {'one class' if len(classes) else 'no class'}; at "
            "least two are needed: all labels that will ever come."
        )
    return classes


def objects(values):
    """Values of any iterable as an array, of objects where NumPy would make text of numbers."""
    values = list(values)
    try:
        array = np.asarray(values)
    except ValueError:  # of unequal length
        array = None
    text = array is not None and array.dtype.kind in "US"
    if array is not None and not (text and any(not isinstance(v, str | bytes) for v in values)):
        return array
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def codes_of(y, classes, name):
    """Where each label stands in ``classes``; an error lists those that do not."""
    found, inverse = distinct(y, name, return_inverse=True)
    place = {value: code for code, value in enumerate(classes.tolist())}
    unseen = [value for value in found.tolist() if value not in place]
    if unseen:
        raise ValueError(
            f"{name} has labels that are not among the classes {listed(classes)}: "
            f"{listed(unseen)}. Give all labels in the first call: `classes` of partial_fit, or "
            "y of fit."
        )
    return np.array([place[value] for value in found.tolist()], dtype=np.intp)[inverse]


def class_factors(class_weight, classes):
    """The weight of every class, from a dict; classes that it leaves out weigh 1.

    As scikit-learn has it, a dict may leave out classes or have others, not both.
    """
    labels = classes.tolist()
    known = {plain(label): value for label, value in class_weight.items()}
    without = [label for label in labels if label not in known]
    others = [label for label in known if label not in labels]
    if without and others:
        raise ValueError(
            f"class_weight={plain(class_weight)!r} names {listed(others)}, not among the classes "
            f"{listed(labels)}, and leaves out {listed(without)}; use the labels in y for keys."
        )
    factors = [plain(known.get(label, 1.0)) for label in labels]
    sound = all(isinstance(factor, Real) and 0 <= factor < np.inf for factor in factors)
    if not (sound and any(factors)):
        raise ValueError(
            f"class_weight={plain(class_weight)!r} must give every class a finite weight "
            ">= 0, and at least one a weight > 0."
        )
    return np.array(factors, dtype=np.float64)
