"""The last lines of a stream: those that are kept, and the area in a notebook that shows them."""

import itertools
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

Line = tuple[str, str] | tuple[str, str, str, int]
"""A line's text, and its kind: a level in lower case, `fact`, or nothing. Where there are several
logs also the name of its log, and which one that is, from 0 on: each has a colour of its own."""


class LineArea(anywidget.AnyWidget):
    """Shows the last `bound` lines; a reader who has scrolled up is left in peace.

    `anew` is called for each view that opens, and shows it all lines there are.
    """

    _esm = Path(__file__).with_name("line_area.js")
    _css = Path(__file__).with_name("line_area.css")

    bound = traitlets.Int(1000, min=1).tag(sync=True)

    def __init__(self, anew: Callable[[], None], **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(lambda *_: anew())

    def show(self, lines: list[Line], clear: bool = False) -> None:
        """Add lines, instead of those there are if `clear`."""
        self.send({"lines": lines, "clear": clear})


class RecentLines:
    """The last `bound` lines of each kind: a flood of one leaves the others in place."""

    def __init__(self, bound: int) -> None:
        self.count = 0
        """How many there were, of all kinds."""
        self._bound = bound
        self._numbered: dict[str, deque[tuple[int, Line]]] = {}

    def add(self, line: Line) -> None:
        self.count += 1
        lines = self._numbered.setdefault(line[1], deque(maxlen=self._bound))
        lines.append((self.count, line))

    def after(self, count: int, is_wanted: Callable[[str], bool]) -> list[Line]:
        """In order, the last ones of all wanted kinds that came after the first `count`."""
        found = [
            one
            for kind, lines in self._numbered.items()
            if is_wanted(kind)
            for one in itertools.takewhile(lambda one: one[0] > count, reversed(lines))
        ]
        return [line for _, line in sorted(found)[-self._bound :]]
