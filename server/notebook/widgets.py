"""What shows a stream in a notebook: buttons that start and stop it, and what has come.

A thread reads the stream; what it gets goes to the page from the kernel's event loop, in
batches, so that neither is kept busy by the number of events.
"""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from server.client import Follower
from server.notebook.cells import when_cell_runs_again
from server.notebook.lines import Line, LineArea, RecentLines
from server.sse.event import Event
from server.wanted import address_of

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
    "unfinished": "The next line is not finished yet.",
    "continued": "The next line is the rest of the one above that was not finished.",
    "hole": "Before the next line there are NUL bytes, which are left out.",
    "clipped": "The next line is longer than what is shown.",
    "shutdown": "The server is shutting down.",
    "refused": "The server has too many clients.",
    "log-added": "This log is new.",
    "log-removed": "This log is gone.",
    "source-started": "What writes this log runs again.",
    "source-ended": "What writes this log has ended.",
    "source-lost": "Some lines of this log could not be kept.",
    "close": "The server has finished.",
}

_STATES = {"open": "listening", "waiting": "reconnecting"}
"""What a page calls the states of a `Follower`."""


def level_of(line: str) -> str | None:
    """The level that a line of a log names, None if there is none."""
    match = _LEVEL.search(line)
    return match[1] if match else None


class StreamView(ipywidgets.VBox):  # type: ignore[misc]
    """Buttons that start and stop the stream at `url`, its state, and `children` below.

    What the children show is for a subclass to say, with `take` and `draw`. A stop ends the
    thread; a start goes on after the last event, or anew where the server had finished. It
    stops by itself when its cell is run again, and with the kernel.

    Make it where an event loop runs, as one does in a notebook. Raises RuntimeError elsewhere.
    """

    noun = "events"

    _follower: Follower | None = None
    _thread: threading.Thread | None = None

    def __init__(
        self,
        url: str,
        children: Sequence[ipywidgets.Widget] = (),
        *,
        controls: Sequence[ipywidgets.Widget] = (),
        token: str | None = None,
    ) -> None:
        self.url = url
        self.state = "stopped"
        """`stopped`, `connecting`, `listening`, `reconnecting`, `finished` or `failed`."""
        self.count = 0
        """How many events without a name, as lines of a log are, have come."""
        self._token = token
        self._loop = asyncio.get_running_loop()
        self._main = threading.get_ident()
        self._lock = threading.Lock()
        self._trouble = ""
        self._is_due = False
        self._last_batch = -float("inf")
        self._last_event_id = ""

        self.start_button = ipywidgets.Button(description="Start", button_style="primary")
        self.stop_button = ipywidgets.Button(description="Stop", disabled=True)
        self.status = ipywidgets.Label("stopped")
        bar = ipywidgets.HBox([self.start_button, self.stop_button, *controls, self.status])
        super().__init__([bar, *children])
        self.start_button.on_click(lambda _: self.call(self.start))
        self.stop_button.on_click(lambda _: self.call(self.stop))
        when_cell_runs_again(self.close)

    def take(self, event: Event) -> None:
        """Keep what an event says. This runs in the thread that reads: touch no widget here."""

    def draw(self) -> None:
        """Show what was taken. This runs in the kernel's own thread, ten times a second at most.

        Never while `take` runs.
        """

    def call(self, function: Callable[[], object]) -> None:
        """Call in the kernel's own thread: only there are widgets touched.

        Clicks come there, too, but in a thread of a subshell where the page asks for one.
        """
        if threading.get_ident() == self._main:
            function()
        else:
            self._later(function)

    # --- buttons, in the kernel's own thread ------------------------------------

    def start(self) -> None:
        """Begin, or go on after the last event. Nothing if it runs."""
        if self._thread:
            return
        follower = Follower(
            self.url,
            last_event_id=self._last_event_id,
            token=self._token,
            changed=lambda state: self._later(self._show_state, follower, state),
        )
        self._trouble = ""
        self._follower = follower
        self._thread = threading.Thread(
            target=self._read, args=(follower,), daemon=True, name="riacho"
        )
        self._show("connecting")
        self._thread.start()

    def stop(self) -> None:
        """End the connection and the thread, now."""
        if self._follower and self._thread:
            self._follower.close()
            self._thread.join(JOIN)
            self._end("stopped", self._follower.last_event_id)

    def close(self) -> None:
        """Stop, and take the view away."""
        self.stop()
        for widget in (*self.children[0].children, *self.children):
            widget.close()
        super().close()

    # --- the thread that reads --------------------------------------------------

    def _read(self, follower: Follower) -> None:
        trouble = ""
        try:
            for event in follower:
                self._receive(event)
        except Exception as error:  # a thread has nobody else to tell
            trouble = str(error) or type(error).__name__
        self._later(self._ended, follower, trouble)

    def _receive(self, event: Event) -> None:
        with self._lock:
            self.count += event.name in (None, "message")
            self.take(event)
            if self._is_due:
                return
            self._is_due = True
        self._later(self._schedule)

    def _later(self, function: Callable[..., object], *arguments: object) -> None:
        """Call from the kernel's event loop, as soon as it can."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            pass  # the kernel has ended

    # --- from the event loop to the page ----------------------------------------

    def _schedule(self) -> None:
        self._loop.call_at(max(self._last_batch + INTERVAL, self._loop.time()), self._batch)

    def _batch(self) -> None:
        """Show all that came since the last time."""
        with self._lock:
            if not self._is_due:
                return  # a stop has shown it
            self._is_due = False
            self._last_batch = self._loop.time()
            self.draw()
        self._show()

    def _show_state(self, follower: Follower, state: str) -> None:
        if follower is self._follower and state != "closed":
            self._show(_STATES.get(state, state))

    def _ended(self, follower: Follower, trouble: str) -> None:
        """The stream has ended by itself."""
        if follower is self._follower:
            self._trouble = trouble
            if trouble:
                self._end("failed", follower.last_event_id)
            else:
                self._end("finished", "")

    def _end(self, state: str, last_event_id: str) -> None:
        self._last_event_id = last_event_id
        self._follower = self._thread = None
        self._batch()
        self._show(state)

    def _show(self, state: str | None = None) -> None:
        self.state = state or self.state
        self.start_button.disabled = self._thread is not None
        self.stop_button.disabled = self._thread is None
        trouble = f": {self._trouble}" if self._trouble else ""
        self.status.value = f"{self.state}, {self.count:,} {self.noun}{trouble}"


class LogView(StreamView):
    """A view of a log's stream, which can hide what is below a level.

    With `logs` it shows these in one stream, each with its name in a colour of its own: names or
    patterns, as in `LogView(url, logs=["app.log", "web*"])`.

    It shows the last `bound` lines, and what comes beyond them between two batches never
    crosses to the page. A line that names no level has that of the line before it in its log, so
    a traceback stays with its error.
    """

    noun = "lines"

    def __init__(
        self,
        url: str,
        *,
        logs: str | Sequence[str] = (),
        bound: int = 1000,
        token: str | None = None,
    ) -> None:
        self._recent = RecentLines(bound)
        self._shown = 0
        self._kinds: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._names_logs = bool(logs)
        self.level = ipywidgets.Dropdown(
            options=[("every line", ""), *((f"{level} and above", level) for level in LEVELS[1:])],
            description="Show",
        )
        self.area = LineArea(lambda: self.call(self._show_anew), bound=bound)
        if logs:
            url = address_of(url, log=logs, format="json")  # which has their names
        super().__init__(url, [self.area], controls=[self.level], token=token)
        self.level.observe(lambda _: self.call(self._show_anew), "value")

    @property
    def lines(self) -> list[str]:
        """The last lines, without those that the level hides, and without the logs' names."""
        with self._lock:
            recent = self._recent.after(0, self._is_wanted)
        return [line[0] for line in recent if line[1] != "fact"]

    def take(self, event: Event) -> None:
        name, text, log = event.name or "message", event.data or "", ""
        if name != "message" and name not in _FACTS:
            return
        if self._names_logs:
            said: dict[str, Any] = json.loads(text)
            text, log = said.get("line", ""), said.get("log", "")
        if name == "message":
            level = level_of(text)
            kind = level.lower() if level else self._kinds.get(log, "")
            self._kinds[log] = kind
            self._recent.add(self._line(text, kind, log))
        else:
            self._recent.add(self._line(_FACTS[name], "fact", log))

    def _line(self, text: str, kind: str, log: str) -> Line:
        if not log:
            return text, kind
        return text, kind, log, self._numbers.setdefault(log, len(self._numbers))

    def draw(self) -> None:
        lines = self._recent.after(self._shown, self._is_wanted)
        self._shown = self._recent.count
        if lines:
            self.area.show(lines)

    def _show_anew(self) -> None:
        with self._lock:
            self._shown = self._recent.count
            lines = self._recent.after(0, self._is_wanted)
        self.area.show(lines, clear=True)

    def _is_wanted(self, kind: str) -> bool:
        level, least = kind.upper(), self.level.value
        return not least or level not in LEVELS or LEVELS.index(level) >= LEVELS.index(least)
