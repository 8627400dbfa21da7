"""What a stream was like: one row of facts a call, of bounded size."""

from dataclasses import dataclass

import numpy as np

# Rows at most; when they are full each second is dropped.
LARGEST = 1024
FIRST_CAPACITY = 64
FACTS = ("n_seen", "loss_before", "loss_after", "learning_rate", "momentum")


@dataclass(frozen=True)
class StreamHistory:
    """Facts of every `spacing`-th call, the first one among them, and of the last one.

    Attributes
    ----------
    table : ndarray of shape (capacity, 5)
        The columns are FACTS.
    kept : int
        Rows in use, the last call's among them.
    calls : int
        Calls so far.
    spacing : int
    """

    table: np.ndarray
    kept: int = 0
    calls: int = 0
    spacing: int = 1

    @classmethod
    def empty(cls):
        """Before the first call."""
        return cls(np.full((FIRST_CAPACITY, len(FACTS)), np.nan))

    def with_call(self, **facts):
        """The history with one more call."""
        table, kept, spacing = self.table.copy(), self.kept, self.spacing
        # A last row between the kept ones gives way to the next.
        if kept and (self.calls - 1) % spacing:
            kept -= 1
        if kept == LARGEST:
            table[: kept // 2] = table[:kept:2]
            kept //= 2
            spacing *= 2
        if kept == len(table):
            table = np.concatenate([table, np.full_like(table, np.nan)])
        table[kept] = [facts[name] for name in FACTS]
        return StreamHistory(table, kept + 1, self.calls + 1, spacing)

    def columns(self):
        """A dict of equally long arrays."""
        columns = {name: self.table[: self.kept, j].copy() for j, name in enumerate(FACTS)}
        columns["n_seen"] = columns["n_seen"].astype(np.int64)
        return columns

    @property
    def n_seen(self):
        """Rows so far."""
        return int(self.table[self.kept - 1, 0]) if self.kept else 0
