"""From facts to a verdict and a remedy, in words and as parameters."""

from typing import NamedTuple

from .remedies import REMEDIES
from .verdict import judge
from .words import differing, plane


class Advice(NamedTuple):
    """What the facts of a fit amount to.

    Attributes
    ----------
    verdict : str
    text : str
        Why, and what to set.
    params : dict
        The remedy as parameters, those only that differ from what the fit had.
    """

    verdict: str
    text: str
    params: dict


def advise(facts):
    """The verdict on a fit and its remedy.

    The only place where they are decided: for warnings and for diagnoses alike.

    Parameters
    ----------
    facts : Facts

    Returns
    -------
    Advice
    """
    verdict = judge(facts)
    text, params = REMEDIES[verdict](facts)
    return Advice(verdict, text + plane(facts), differing(facts, params))
