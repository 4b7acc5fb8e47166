"""Where the points of a curve lie: found without making every x, where they follow evenly."""

from typing import Any

from msgspec import Struct

__all__ = ["Axis", "Even", "Listed"]


class Listed(Struct, frozen=True):
    """Each x by itself: ascending, finite, float64."""

    xs: Any

    def __len__(self) -> int:
        return len(self.xs)

    def at(self, places: Any, numpy: Any) -> Any:
        """The x of points."""
        return self.xs[places]

    def before(self, values: Any, numpy: Any, *, also_at: bool = False) -> Any:
        """How many points lie before each value, or before and at it."""
        return numpy.searchsorted(self.xs, values, "right" if also_at else "left")


class Even(Struct, frozen=True):
    """The first, and how far each is from the one before it, which is more than nothing."""

    first: float
    stride: float
    count: int

    def __len__(self) -> int:
        return self.count

    def at(self, places: Any, numpy: Any) -> Any:
        """The x of points."""
        return self.first + self.stride * numpy.asarray(places, numpy.float64)

    def before(self, values: Any, numpy: Any, *, also_at: bool = False) -> Any:
        """How many points lie before each value, or before and at it."""
        is_before = numpy.less_equal if also_at else numpy.less
        with numpy.errstate(over="ignore"):
            guess = numpy.ceil((numpy.asarray(values) - self.first) / self.stride)
        found = numpy.clip(guess, 0, self.count)
        while True:  # the rounding of a division is a point or two
            more = (found < self.count) & is_before(self.at(found, numpy), values)
            less = (found > 0) & ~is_before(self.at(found - 1, numpy), values)
            if not (more | less).any():
                return found.astype(numpy.int64)
            found = found + more - less


Axis = Listed | Even
