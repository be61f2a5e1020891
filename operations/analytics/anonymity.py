"""Which cells of a table are hidden, so that nothing can be learned about a few companies.

A cell is hidden when it is about at least one company and fewer than `minimum`. Its number must not
follow from others either: the sum of a line of the table is a cell of a coarser table, from which
the visible cells can be subtracted. So the hidden cells of each line have at least `minimum`
companies together, if necessary by hiding the smallest visible one, too. A line consists of the
cells that differ in one dimension only.

A filter chooses from the cells of the table that has the filtered dimensions in addition. An answer
that contains a part of the hidden cells of that table is hidden: together with the rest of them it
would be the difference of two visible ones.

docs/decisions/0057-ad-hoc-analytics.md says what this doesn't prevent.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

Key = tuple[str | None, ...]


class Companies(NamedTuple):
    """How many companies a cell is about, and how many of them its number is about."""

    all: int
    counted: int


def hidden_cells(
    cells: Mapping[Key, Companies], minimum: int, axes: Sequence[int] | None = None
) -> set[Key]:
    """The keys of the cells to hide. `axes` are the positions of the dimensions along which numbers
    can be added, by default all.
    """
    hidden = {
        key
        for key, companies in cells.items()
        if 0 < companies.all < minimum or 0 < companies.counted < minimum
    }
    if not hidden:
        return hidden
    dimensions = len(next(iter(cells)))
    lines = [
        line
        for axis in (range(dimensions) if axes is None else axes)
        for line in _lines(cells, axis)
    ]
    count = 0
    while count < len(hidden):
        count = len(hidden)
        for line in lines:
            _protect(line, cells, hidden, minimum)
    return hidden


def _lines(cells: Iterable[Key], axis: int) -> list[list[Key]]:
    lines = defaultdict(list)
    for key in cells:
        lines[key[:axis] + key[axis + 1 :]].append(key)
    return list(lines.values())


def _protect(
    line: list[Key], cells: Mapping[Key, Companies], hidden: set[Key], minimum: int
) -> None:
    """Hide another cell of a line if its hidden cells are about too few companies."""
    # Different cells may be about the same companies.
    counts = [cells[key].counted for key in line if key in hidden]
    visible = [key for key in line if key not in hidden and cells[key].counted]
    if counts and max(counts) < minimum and visible:
        hidden.add(min(visible, key=lambda key: (cells[key].counted, str(key))))


def split_cells(hidden: set[Key], size: int, is_chosen: Callable[[Key], bool]) -> set[Key]:
    """The keys of the cells that contain only a part of what is hidden in a finer table. The first
    `size` dimensions of the finer table are those of the cells.
    """
    chosen, left_out = set[Key](), set[Key]()
    for key in hidden:
        (chosen if is_chosen(key) else left_out).add(key[:size])
    return chosen & left_out
