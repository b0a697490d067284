"""What shows a stream in a notebook: buttons that start and stop it, and an area of lines.

A thread reads the stream; what it gets goes to the page from the kernel's event loop, in
batches, so that neither is kept busy by the number of lines.
"""

import asyncio
import re
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from IPython.core.getipython import get_ipython

from server.client import Follower, StreamRefusedError
from server.event import Event

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

INTERVAL = 0.1
"""Seconds between two batches, at the least."""

JOIN = 2.0
"""Seconds that a thread has to end when it is told to."""

_LEVEL = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")

_FACTS: dict[str, str] = {
    "gap": "Gap: some lines can no longer be read. It goes on here.",
    "rotated": "The log was rotated: a new file begins here.",
    "truncated": "The log was emptied: it begins anew here.",
    "clipped": "The next line is longer than what is shown.",
    "shutdown": "The server is shutting down.",
    "refused": "The server has too many clients.",
    "close": "The server has finished.",
}

Line = tuple[str, str]
"""A line's text, and its kind: a level in lower case, `fact`, or nothing."""


class LineArea(anywidget.AnyWidget):
    """Shows the last `bound` lines; a reader who has scrolled up is left in peace."""

    _esm = Path(__file__).with_name("line_area.js")
    _css = Path(__file__).with_name("line_area.css")

    bound = traitlets.Int(1000, min=1).tag(sync=True)

    def __init__(self, everything: Callable[[], list[Line]], **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(lambda *_: self.show(everything(), clear=True))  # a view that is new

    def show(self, lines: list[Line], clear: bool = False) -> None:
        """Add lines, instead of those there are if `clear`."""
        self.send({"lines": lines, "clear": clear})


class LogView(ipywidgets.VBox):  # type: ignore[misc]
    """A view of the stream at `url`, with buttons that start and stop it.

    It keeps the last `bound` lines, and what comes beyond them between two batches never
    crosses to the page. A stop ends the thread; a start goes on after the last line. It
    stops by itself when its cell is run again, and with the kernel.

    Make it where an event loop runs, as one does in a notebook. Raises RuntimeError elsewhere.
    """

    _follower: Follower | None = None
    _thread: threading.Thread | None = None

    def __init__(self, url: str, *, bound: int = 1000, token: str | None = None) -> None:
        self.url = url
        self._token = token
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._kept: deque[Line] = deque(maxlen=bound)
        self._new: deque[Line] = deque(maxlen=bound)
        self._count = 0
        self._state = "stopped"
        self._is_due = False
        self._last_batch = -float("inf")
        self._last_event_id = ""

        self.start_button = ipywidgets.Button(description="Start", button_style="primary")
        self.stop_button = ipywidgets.Button(description="Stop", disabled=True)
        self.level = ipywidgets.Dropdown(
            options=[("every line", ""), *((f"{level} and above", level) for level in LEVELS[1:])],
            description="Show",
        )
        self.status = ipywidgets.Label("stopped")
        self.area = LineArea(self._wanted, bound=bound)
        buttons = ipywidgets.HBox([self.start_button, self.stop_button, self.level, self.status])
        super().__init__([buttons, self.area])
        self.start_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        self.level.observe(lambda _: self._show_anew(), "value")
        _when_cell_runs_again(self.close)

    # --- buttons, in the kernel's own thread ------------------------------------

    def start(self) -> None:
        """Begin, or go on after the last line. Nothing if it runs."""
        if self._thread and self._thread.is_alive():
            return
        follower = Follower(
            self.url,
            last_event_id=self._last_event_id,
            token=self._token,
            changed=lambda state: self._later(self._show_state, follower, state),
        )
        self._follower = follower
        self._thread = threading.Thread(
            target=self._read, args=(follower,), daemon=True, name="riacho"
        )
        self._thread.start()

    def stop(self) -> None:
        """End the connection and the thread, now."""
        if self._follower and self._thread:
            self._follower.close()
            self._thread.join(JOIN)
            self._last_event_id = self._follower.last_event_id
            self._follower = self._thread = None
            self._send()
            self._show("stopped")

    def close(self) -> None:
        """Stop, and take the view away."""
        self.stop()
        super().close()

    @property
    def count(self) -> int:
        """How many lines have come."""
        return self._count

    @property
    def lines(self) -> list[str]:
        """The last of them, without what the level hides."""
        return [text for text, kind in self._wanted() if kind != "fact"]

    # --- the thread that reads --------------------------------------------------

    def _read(self, follower: Follower) -> None:
        try:
            for event in follower:
                self._add(event)
        except (StreamRefusedError, ValueError) as error:
            self._put(str(error), "fact")

    def _add(self, event: Event) -> None:
        name, text = event.name or "message", event.data or ""
        if name == "message":
            match = _LEVEL.search(text)
            self._put(text, match[1].lower() if match else "")
        elif name in _FACTS:
            self._put(_FACTS[name], "fact")

    def _put(self, text: str, kind: str) -> None:
        with self._lock:
            self._new.append((text, kind))
            self._count += kind != "fact"
            if self._is_due:
                return
            self._is_due = True
        self._later(self._schedule)

    def _later(self, function: Callable[..., object], *arguments: object) -> None:
        """Call in the kernel's own thread: only there may widgets be touched."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            pass  # the kernel has ended

    # --- from the event loop to the page ----------------------------------------

    def _schedule(self) -> None:
        self._loop.call_at(max(self._last_batch + INTERVAL, self._loop.time()), self._send)

    def _send(self) -> None:
        """One batch: all lines that came since the last one, at the most the bound."""
        with self._lock:
            new = list(self._new)
            self._new.clear()
            self._is_due = False
        self._kept.extend(new)
        self._last_batch = self._loop.time()
        lines = [line for line in new if self._is_wanted(line)]
        if lines:
            self.area.show(lines)
        self._show_count()

    def _show_anew(self) -> None:
        self.area.show(self._wanted(), clear=True)

    def _wanted(self) -> list[Line]:
        return [line for line in self._kept if self._is_wanted(line)]

    def _is_wanted(self, line: Line) -> bool:
        least, kind = self.level.value, line[1].upper()
        return not least or kind not in LEVELS or LEVELS.index(kind) >= LEVELS.index(least)

    def _show_state(self, follower: Follower, state: str) -> None:
        if follower is not self._follower:
            return  # one that was stopped
        if state == "closed":  # by itself: finished, or refused
            self._last_event_id = follower.last_event_id
            self._follower = self._thread = None
        self._show(
            {"open": "listening", "waiting": "reconnecting", "closed": "finished"}.get(state, state)
        )

    def _show(self, state: str) -> None:
        self._state = state
        is_running = state not in ("stopped", "finished")
        self.start_button.disabled = is_running
        self.stop_button.disabled = not is_running
        self._show_count()

    def _show_count(self) -> None:
        self.status.value = f"{self._state}, {self._count:,} lines"


def _when_cell_runs_again(function: Callable[[], None]) -> None:
    """Call `function`, once, when the notebook's cell that runs now is run another time."""
    shell = get_ipython()
    if shell is None or not hasattr(shell, "get_parent"):
        return
    cell = shell.get_parent().get("metadata", {}).get("cellId")
    if cell is None:
        return

    def before_cell(info: Any) -> None:
        if getattr(info, "cell_id", None) == cell:
            shell.events.unregister("pre_run_cell", before_cell)
            function()

    shell.events.register("pre_run_cell", before_cell)
