"""The rules by name, for what tells of a descent or carries it on."""

from enum import StrEnum


class RuleName(StrEnum):
    """`name` of every rule that the knobs may mean."""

    FIXED = "fixed"
    ACCELERATED = "accelerated"
    PLANE_SEARCH = "plane_search"
    WORKING_SET = "working_set"
