"""scikit-learn's checks of estimators that take turns."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator


def checks_in_turns(*groups, expected_failures=lambda estimator: {}):
    """`pytest.mark.parametrize` over estimators and checks, as `parametrize_with_checks`.

    Where all estimators of a group have a check each takes it in turns, from group to group
    beginning with the next one: so any group meets any check, and one that an estimator of it
    alone has, with that one.
    """
    return pytest.mark.parametrize(
        ("estimator", "check"),
        [
            each
            for shift, group in enumerate(groups)
            for each in turns(group, shift, expected_failures)
        ],
    )


def turns(group, shift, expected_failures):
    """The checks of one group."""
    of = [named_checks(estimator, expected_failures(estimator)) for estimator in group]
    shared = [name for name in of[0] if all(name in checks for checks in of)]
    for k, (estimator, checks) in enumerate(zip(group, of)):
        # Once: it takes longer than many a check.
        said = "".join(repr(estimator).split())
        for name, param in checks.items():
            if name not in shared or (shared.index(name) + shift) % len(group) == k:
                yield pytest.param(*param.values, marks=param.marks, id=f"{said}-{name}")


def named_checks(estimator, expected_failed_checks):
    """Name with options -> estimator and check, marked where it is expected to fail."""
    found = {}
    for each in estimator_checks_generator(
        estimator, mark="xfail", expected_failed_checks=expected_failed_checks
    ):
        param = each if hasattr(each, "values") else pytest.param(*each)
        check = param.values[1]
        options = ",".join(f"{key}={value}" for key, value in check.keywords.items())
        found[f"{check.func.__name__}({options})"] = param
    return found
