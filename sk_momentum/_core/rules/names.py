"""The rules by name, for what tells of a descent or carries it on."""

from enum import StrEnum


class RuleName(StrEnum):
    """`name` of every rule that the knobs may mean."""

    FIXED = "fixed"
    ACCELERATED = "accelerated"
    PLANE_SEARCH = "plane_search"
    PROXIMAL_SEARCH = "proximal_plane_search"
    WORKING_SET = "working_set"


# They look for the best step in a plane.
PLANES = (RuleName.PLANE_SEARCH, RuleName.PROXIMAL_SEARCH)
# They choose the learning rate themselves, and depend on no smoothness.
SEARCHES = (RuleName.PLANE_SEARCH, RuleName.PROXIMAL_SEARCH, RuleName.WORKING_SET)
