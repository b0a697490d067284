"""The verdict: what each client got, compared with what was written and what was destroyed.

It knows records only, no files, processes or sockets, so that planted faults show that it can fail.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.audit.clients import Fact, Received, Run
from tests.audit.disk import Destroyed, Look, Span, subtract
from tests.audit.writer import clock

GRACE = 1.0
"""Seconds in which the server may miss that lines came and were destroyed."""

BEHIND = 5.0
"""The same when it had not yet come so far, since all clients were busy with older lines."""

IN_PLACE = (
    "truncate",
    "truncate_and_regrow",
    "cut_back",
    "delete_and_create",
    "copytruncate_while_written",
)
"""What destroys lines of the log itself, and leaves nothing behind that could tell."""

MOVES = ("rotated", "id")
"""What moves a client's place without a line, and may be the last that it gets from a server."""

UNPROVABLE = (
    "files may have been removed before they were read",
    "another file has come that may have been rotated from it, and is still written to",
)
"""What the server says where nothing need be lost, but it could not tell."""

HARMLESS = ("new_client", "stall_clients", "drop_clients", "send_clients_away")
"""Actions that touch clients only. They are no reason for a gap."""

NEAR = 20
"""Lines before a place by which that is known, as a rule: up to 4,351 bytes of them."""

AFTERMATH = 10.0
"""Seconds in which a writer goes on in a file that was rotated, and the server is late."""


class Action(NamedTuple):
    """What was done, and when."""

    at: float
    name: str


@dataclass
class Serving:
    """When a server could see what befell a log."""

    starts: list[float] = field(default_factory=lambda: [0.0])
    """When it began to follow the log: at its start, or when somebody first asked for that."""
    pauses: list[tuple[float, float]] = field(default_factory=list)
    """When it was down or stopped."""


@dataclass
class Record:
    """All that happened, but for what the clients got."""

    last: int
    """The number of the last line."""
    times: Sequence[float]
    """When each line was written, by its number."""
    destroyed: list[Destroyed] = field(default_factory=list)
    pieces: set[bytes] = field(default_factory=set)
    """Pieces of lines that files begin or end with."""
    servers: Sequence[Serving] = field(default_factory=lambda: [Serving()])
    """Each knows only what it has seen itself."""
    actions: list[Action] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    """What was on disk after each action, to explain a problem."""


class Problem(NamedTuple):
    """What went wrong with a client, before the event at `place` of its history."""

    kind: str
    span: Span
    client: Received
    place: int
    why: str


FAILURES = ("lost", "silent", "doubled", "out of order", "false gaps", "corrupt", "refused")


@dataclass
class Verdict:
    """Compares what each client got with what was written and what was destroyed."""

    record: Record
    everyone: Sequence[Received]
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def judge_all(self) -> None:
        for client in self.everyone:
            self.judge(client)

    def judge(self, client: Received) -> None:
        self._client = client
        self._last: int | None = None
        self._missing: list[Span] = []
        opened: float | None = None
        facts: list[Fact] = []
        self._came = _time(client.history[0]) if client.history else clock()
        for self._place, entry in enumerate(client.history):
            if isinstance(entry, Run):
                if opened is None:
                    opened = entry.began
                self._judge_run(entry, facts, opened)
                facts = []
                continue
            facts.append(entry)
            if entry.name == "id" and opened is None:
                opened = entry.at
            elif entry.name == "piece" and entry.text.encode("latin-1") not in self.record.pieces:
                self._fail("corrupt", self._next_line(), entry.text[:200])
            elif entry.name == "refused":
                self._fail("refused", Span(0, 0), entry.text)
            elif entry.name == "gap":
                self._judge_gap(entry)
                if "not in the log" in entry.text:
                    self._came = entry.at  # it begins anew, and that was all it could be told
        self._place = len(client.history)
        if not client.has_left and client.last != self.record.last:
            first = self._first_owed(opened) if self._last is None else self._last + 1
            rest = Span(first, self.record.last)
            self._judge_missing(rest, facts, clock(), client.server)

    def _judge_run(self, run: Run, facts: list[Fact], opened: float) -> None:
        if self._last is None:
            first = self._first_owed(opened)
            # of a line that was half written, and shown so, when it came, it gets the rest
            first += any(fact.name == "continued" for fact in facts)
            facts = [Fact("gap", "a new client is told nothing", opened), *facts]
            self._judge_missing(Span(first, run.first - 1), facts, run.began, run.server)
        elif run.first > self._last:
            span = Span(self._last + 1, run.first - 1)
            self._judge_missing(span, facts, run.began, run.server)
        elif any("not in the log" in fact.text for fact in facts if fact.name == "gap"):
            self.counts["repeated after a gap"] += min(self._last, run.last) - run.first + 1
        else:
            again = [Span(run.first, min(self._last, run.last))]
            for span in subtract(again, subtract(again, self._missing)):
                self._fail("out of order", span, f"after line {self._last}")
            for span in subtract(again, self._missing):
                self._fail("doubled", span, f"after line {self._last}")
        self._last = run.last

    def _first_owed(self, opened: float | None) -> int:
        """The first line that a client must get which got none before it was `opened`, if ever."""
        if opened is None or "from=start" in self._client.query:
            return 1
        return bisect_right(self.record.times, opened, lo=1, hi=self.record.last + 1)

    def _judge_gap(self, gap: Fact) -> None:
        """A gap is true if the last line that was sent or the one after it was destroyed."""
        self.counts["gaps"] += 1
        if self._last is not None:
            around = [Span(self._last, self._last + 1)]
            # What was never seen on disk was gone before it was missed.
            destroyed = [d.span for d in self.record.destroyed if d.since <= gap.at or not d.seen]
            if subtract(around, destroyed) != around:
                return
            is_unprovable = any(why in gap.text for why in UNPROVABLE) and self._was_touched(gap.at)
            is_unprovable |= "not in the log" in gap.text and self._is_front_cut(gap)
            if is_unprovable or self._is_late():
                self.counts["unprovable gaps"] += 1
            else:
                self._fail("false gaps", around[0], gap.text)

    def _was_touched(self, at: float) -> bool:
        """Whether anything was done to the files between the last line and `at`."""
        since = self.record.times[self._last or 0] - AFTERMATH
        return any(
            since <= action.at <= at and action.name not in HARMLESS
            for action in self.record.actions
        )

    def _is_late(self) -> bool:
        """Whether lines were cut back that it lacks, a few lines ago: of a long log that is written
        on before that is noticed, it is not known where it was cut.
        """
        missing = self._missing[-1].last if self._missing else 0
        return 0 < (self._last or 0) - missing <= NEAR and any(
            one.action == "cut_back" and one.span.last == missing for one in self.record.destroyed
        )

    def _is_front_cut(self, gap: Fact) -> bool:
        """Whether what stood before the client's last line, by which its place is known, was cut
        off before the server that told the gap knew the log.
        """
        start = max(start for start in self.record.servers[gap.server].starts if start <= gap.at)
        return any(
            one.action == "cut_the_front"
            and 0 < (self._last or 0) - one.span.last <= NEAR
            and one.since < start
            for one in self.record.destroyed
        )

    def _judge_missing(self, span: Span, facts: list[Fact], now: float, server: int) -> None:
        if span.length <= 0:
            return
        self._missing.append(span)
        told = any(fact.name in ("gap", "truncated") for fact in facts)
        moved = [(now, server), *((one.at, one.server) for one in facts if one.name in MOVES)]
        left = [span]
        for destroyed in self.record.destroyed:
            if destroyed.seen and destroyed.since > now:
                continue
            here = subtract([span], subtract([span], [destroyed.span]))
            left = subtract(left, here)
            for piece in here:
                if told or not destroyed.seen or destroyed.since < self._came:
                    self.counts["excused"] += piece.length
                elif reason := self._why_undetectable_to_any(piece, destroyed, moved):
                    self.counts[f"undetectable: {reason}"] += piece.length
                else:
                    self._fail("silent", piece, f"destroyed by {destroyed.action}")
        for piece in left:
            if any(self._was_cut_back_unseen(piece, at, by) for at, by in moved):
                self.counts["undetectable: cut back before the server was started"] += piece.length
            else:
                self._fail("lost", piece, f"told: {told}")

    def _why_undetectable_to_any(
        self, span: Span, destroyed: Destroyed, moved: list[tuple[float, int]]
    ) -> str:
        """Why one of the servers had no chance to know of these lines. They have `moved` the client
        since its last line, and any of them may have moved it past these.
        """
        reasons = (self._why_undetectable(span, destroyed, at, by) for at, by in moved)
        return next(filter(None, reasons), "")

    def _why_undetectable(self, span: Span, destroyed: Destroyed, now: float, server: int) -> str:
        """Why the server that went on had no chance to know of these lines, if it had none."""
        times, since = self.record.times, destroyed.since
        serving = self.record.servers[server]
        written = times[span.first]
        if since - written < GRACE:
            return "there for a moment"
        if since - written < BEHIND and not self._is_reached(span.first, since, server):
            return "the server had not come so far"
        if max(start for start in serving.starts if start <= now) > times[span.first - 1]:
            return "there before the server was started"
        was_stopped = any(begin < since + GRACE and written < end for begin, end in serving.pauses)
        if was_stopped and destroyed.action in IN_PLACE:
            return "truncated while the server was stopped"
        return ""

    def _was_cut_back_unseen(self, span: Span, now: float, server: int) -> bool:
        """Whether the client's last line was cut off, right before these, before the server knew.

        What was left, and was written on, looks like a copy that was made before that line.
        """
        start = max(start for start in self.record.servers[server].starts if start <= now)
        return any(
            one.action == "cut_back"
            and one.span.first <= (self._last or 0) <= one.span.last == span.first - 1
            and one.since < start
            for one in self.record.destroyed
        )

    def _is_reached(self, number: int, by: float, server: int) -> bool:
        """Whether any client had got the line `number`, or a later one, from that server."""
        return any(
            isinstance(entry, Run)
            and entry.server == server
            and entry.last >= number
            and entry.began < by
            for client in self.everyone
            for entry in client.history
        )

    def _next_line(self) -> Span:
        number = min((self._last or 0) + 1, self.record.last)
        return Span(number, number)

    def _fail(self, kind: str, span: Span, why: str) -> None:
        self.counts[kind] += span.length
        self.problems.append(Problem(kind, span, self._client, self._place, why))

    def explain(self, problem: Problem) -> str:
        """All that is known around a problem."""
        kind, span, client, place, why = problem
        if not client.history:
            return f"{kind}: {span} of {client.name}: nothing came"
        history = client.history[max(0, place - 16) : place + 4]
        at = _time(client.history[min(place, len(client.history) - 1)])
        times = self.record.times
        edges = {max(1, span.first - 1), max(1, span.first), min(span.last + 1, len(times) - 1)}
        since = min([times[number] for number in edges] + [_time(entry) for entry in history]) - 3
        events = [(_time(entry), f"    {client.name}: {_text(entry)}") for entry in history]
        events += [(a.at, f"  {a.name}") for a in self.record.actions if since < a.at < at + 2]
        events += [
            (d.since, f"  destroyed{' unseen' * (not d.seen)}: {d.span} by {d.action}")
            for d in self.record.destroyed
            if d.span.last >= span.first - 1000 and d.span.first <= span.last + 1000
        ]
        events += [
            (when, f"  disk after {action}: {_listed(names)}")
            for when, action, names in self.record.looks
            if since < when < at + 2
        ]
        for number, server in enumerate(self.record.servers):
            starts = [start for start in server.starts if since < start < at + 2]
            events += [(start, f"  server {number} begins to follow") for start in starts]
            pauses = [pause for pause in server.pauses if since < pause[1] and pause[0] < at + 2]
            events += [
                (begin, f"  server {number} pauses until {end - times[0]:.3f}")
                for begin, end in pauses
            ]
        events += [(times[number], f"  line {number} is written") for number in edges]
        lines = [
            f"{when - times[0]:10.3f} {text}"
            for when, text in sorted(events, key=lambda event: event[0])
        ]
        return "\n".join([f"{kind}: {span} of {client.name}: {why}", *lines])


def _listed(names: dict[str, Span | None]) -> str:
    ordered = sorted(names.items(), key=lambda item: item[1] or Span(0, 0))
    return ", ".join(f"{name} {span.first}-{span.last}" if span else name for name, span in ordered)


def _time(entry: Run | Fact) -> float:
    return entry.began if isinstance(entry, Run) else entry.at


def _text(entry: Run | Fact) -> str:
    if isinstance(entry, Run):
        ids = f"{entry.first_id.decode()} to {entry.last_id.decode()}"
        return f"lines {entry.first} to {entry.last} of server {entry.server}, ids {ids}"
    return f"{entry.name} {entry.text[:2000]!r}"
