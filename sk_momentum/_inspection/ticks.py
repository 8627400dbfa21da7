"""Ticks at the values of a grid: as many as have room where they are drawn.

Imported by pictures only, since it needs matplotlib.
"""

import matplotlib
import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FuncFormatter, Locator, NullLocator

# In units of the font size: the width of a digit, the height of a line, and what is left free.
DIGIT, LINE, FREE = 0.62, 1.0, 0.8


def label_values(axis, values, labels):
    """Put ticks with these labels at these values, as far as there is room.

    Parameters
    ----------
    axis : matplotlib Axis
        Its scale has been set.
    values : ndarray of shape (n,)
        Increasing.
    labels : list of str
    """
    axis.set_major_locator(RoomyLocator(values, labels))
    axis.set_major_formatter(FuncFormatter(lambda at, _: labels[np.abs(values - at).argmin()]))
    axis.set_minor_locator(NullLocator())


class RoomyLocator(Locator):
    """Those of the values whose labels do not touch, at the size that the axes have when drawn.

    Every second one, or every third ..., where the values are evenly spaced; else from the
    first one on each that is far enough from the one before.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Increasing.
    labels : list of str
    """

    def __init__(self, values, labels):
        self.values, self.labels = values, labels

    def __call__(self):
        """The values that are labelled."""
        at, needed = self._places(), self._needed()
        gaps = np.diff(at)
        if np.all(abs(gaps - gaps.mean()) < 0.02 * gaps.mean() if len(gaps) else True):
            strides = (np.arange(0, len(at), k) for k in range(1, len(at) + 1))
            return self.values[next(kept for kept in strides if fits(at[kept], needed[kept]))]
        kept = [0]
        for i in range(1, len(at)):
            if fits(at[[kept[-1], i]], needed[[kept[-1], i]]):
                kept.append(i)
        return self.values[kept]

    def tick_values(self, vmin, vmax):
        """Those of any view."""
        return self()

    def _places(self):
        """Where the values are on the axis, in points."""
        axes, transform = self.axis.axes, self.axis.get_transform()
        low, high = transform.transform(np.array(self.axis.get_view_interval()))
        length = axes.bbox.width if self.axis.axis_name == "x" else axes.bbox.height
        points = length * 72 / axes.get_figure().dpi
        return points * (transform.transform(self.values) - low) / (high - low)

    def _needed(self):
        """What each label takes of the axis, in points."""
        name = self.axis.axis_name
        size = self.axis.get_tick_params().get("labelsize")
        if size is None:
            size = matplotlib.rcParams[f"{name}tick.labelsize"]
        em = FontProperties(size=size).get_size_in_points()
        digits = np.array([len(label) for label in self.labels])
        return em * (FREE + (DIGIT * digits if name == "x" else LINE + 0 * digits))


def fits(at, needed):
    """Whether labels at these places do not touch."""
    return bool(np.all(np.diff(at) >= (needed[1:] + needed[:-1]) / 2))
