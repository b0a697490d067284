"""What the answers to the doctor's requests tell about whatever stands in between."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from server.doctor.ills import ILLS, Ill

INTERVAL = 0.25
"""Seconds between two of the numbers that are sent to be timed."""

NUMBERS = 10
"""How many these are."""

SLOW_START = 2.0
"""Seconds after a request in which the first byte of a stream has to be there."""

MOST = 256 * 1024
"""Bytes that are taken of an answer, packed or unpacked: many times what is asked for."""

_BY_STATUS = {
    **dict.fromkeys((301, 302, 303, 307, 308), "redirect"),
    401: "token",
    403: "forbidden",
    404: "not-found",
    429: "full",
    **dict.fromkeys((502, 503, 504), "away"),
}


@dataclass(frozen=True)
class Finding:
    """That something is wrong, and how it was seen."""

    name: str
    seen: str

    @property
    def ill(self) -> Ill:
        return ILLS[self.name]


@dataclass(frozen=True)
class Answer:
    """What a request got. Times are in seconds since it was sent."""

    path: str
    status: int = 200
    """0 if nobody has answered in time."""
    reason: str = ""
    version: int = 11
    """10 for HTTP/1.0, 11 for HTTP/1.1."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case."""
    first_byte: float | None = None
    """When the body began."""
    frames: tuple[tuple[float, str], ...] = ()
    """The events and comments, each with the time at which it was whole."""
    ended: float | None = None
    """When the body ended; None if it had not when nobody listened any more."""
    text: str = ""
    """How a body that is no stream begins."""
    too_long: bool = False
    """Whether more than `MOST` bytes came. The rest of them is not kept."""

    @property
    def numbers(self) -> list[tuple[float, int]]:
        """The numbers that came, and when."""
        form = re.compile(r"^id: (\d{1,9})\ndata: \1$", re.M)
        matches = ((time, form.search(frame)) for time, frame in self.frames)
        return [(time, int(match[1])) for time, match in matches if match]

    @property
    def comments(self) -> list[float]:
        """When keep-alive comments came."""
        return [time for time, frame in self.frames if re.fullmatch("(:.*\n)*:.*\n?", frame)]

    def has_event(self, name: str) -> bool:
        return any(re.search(f"^event: {name}$", frame, re.M) for _, frame in self.frames)

    @property
    def is_stream(self) -> bool:
        return self.status == 200 and self.media_type == "text/event-stream"

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def encoding(self) -> str:
        coding = self.headers.get("content-encoding", "").strip().lower()
        return "" if coding == "identity" else coding


def judge_head(answer: Answer) -> Iterator[Finding]:
    """What is wrong with status and headers of what should be a stream."""
    if not answer.status:
        return
    if answer.status != 200:
        yield _judge_status(answer)
        return
    if answer.media_type != "text/event-stream":
        kind = answer.headers.get("content-type", "none")
        yield Finding("content-type", f"{answer.path}: Content-Type: {kind}{_said(answer)}")
        return
    yield from judge_amount(answer)
    if re.fullmatch(r"retry: \d+\n", answer.frames[0][1] if answer.frames else ""):
        yield Finding("away", f"{answer.path}: a proxy says when to come back, and no more")
        return
    if answer.has_event("refused"):
        yield Finding("full", f"{answer.path}: the event `refused`")
    control = answer.headers.get("cache-control", "")
    directives = {part.strip().lower() for part in control.split(",")}
    if "no-transform" not in directives or not directives & {"no-cache", "no-store"}:
        yield Finding("cache-control", f"{answer.path}: Cache-Control: {control or 'none'}")
    if answer.version < 11:
        yield Finding("http-1.0", f"{answer.path}: the status line says HTTP/1.0")


def judge_amount(answer: Answer) -> Iterator[Finding]:
    """Whether no more came of a stream than it can have."""
    if answer.too_long and answer.is_stream:
        unpacked = f", unpacked from {answer.encoding}" if answer.encoding else ""
        seen = f"more than {MOST // 1024} KiB came of a short stream{unpacked}"
        yield Finding("too-much", f"{answer.path}: {seen}")


def _judge_status(answer: Answer) -> Finding:
    status = answer.status
    seen = f"{answer.path}: {status} {answer.reason}".rstrip() + _said(answer)
    if _BY_STATUS.get(status) == "redirect":
        # without its query, in which a secret may be; it need not be an address
        target = re.split("[?#]", answer.headers.get("location", ""), maxsplit=1)[0]
        return Finding("redirect", f"{answer.path}: {status}, to {target}")
    if status == 400 and "HTTPS" in answer.text:
        return Finding("tls", seen)
    return Finding(_BY_STATUS.get(status, "status"), seen)


def _said(answer: Answer) -> str:
    """The first words of an answer that is no stream: a server's own reason, a page's title."""
    title = re.search("<title>([^<]*)</title>", answer.text, re.I)
    words = title[1] if title else "" if "<" in answer.text else answer.text.partition("\n")[0]
    return f", {words.strip()[:200]!r}" if words.strip() else ""


def judge_pace(answer: Answer) -> Iterator[Finding]:
    """Whether numbers that are sent every `INTERVAL` seconds come so, and all of them."""
    if answer.status and not answer.is_stream:
        yield from judge_head(answer)
        return
    if answer.too_long:
        yield from judge_amount(answer)
        return
    times = [when for when, _ in answer.numbers]
    found = [number for _, number in answer.numbers]
    apart = f"{NUMBERS} events {INTERVAL} s apart"
    if found != list(range(1, NUMBERS + 1)):
        yield _judge_incomplete(answer, found, apart)
    elif times[-1] < (NUMBERS - 1) * INTERVAL * 0.9:
        seen = f"all of {apart} were there {times[-1]:.1f} s after the request"
        yield Finding("stored", f"{answer.path}: {seen}")
    else:
        held = held_back(times, INTERVAL)
        if sum(one > INTERVAL / 2 for one in held) >= NUMBERS / 3 or max(held) > 2 * INTERVAL:
            groups = bunches(times)
            came = f"came in {groups} bunches" if groups > 1 else "came at once"
            seen = f"{apart} {came}, held back for up to {max(held):.1f} s"
            if "x-accel-buffering" not in answer.headers:
                seen += "; the header X-Accel-Buffering is missing"
            yield Finding("buffering", f"{answer.path}: {seen}")
        else:
            yield from judge_start(answer)


def _judge_incomplete(answer: Answer, found: list[int], apart: str) -> Finding:
    if found != list(range(1, min(len(found), NUMBERS) + 1)):
        came = f"{found[: 3 * NUMBERS]}{', and more' if len(found) > 3 * NUMBERS else ''}"
        return Finding("lost", f"{answer.path}: instead of the numbers 1 to {NUMBERS} came {came}")
    if answer.ended is None:
        seen = f"of {apart}, {len(found)} had come long after the last was sent"
        return Finding("buffering", f"{answer.path}: {seen}")
    seen = f"of {apart}, {len(found)} came before the end, after {answer.ended:.1f} s"
    return Finding("cut", f"{answer.path}: {seen}")


def judge_start(answer: Answer) -> Iterator[Finding]:
    """Whether a stream begins at once."""
    if answer.first_byte is None and answer.status in (0, 200):
        yield Finding("buffering", f"{answer.path}: nothing came of a stream that begins at once")
    elif answer.first_byte is not None and answer.first_byte > SLOW_START:
        seen = f"the first byte came {answer.first_byte:.1f} s after the request"
        yield Finding("buffering", f"{answer.path}: {seen}")


def judge_silence(answer: Answer) -> Iterator[Finding]:
    """Whether a stream on which nothing happens stays open."""
    yield from judge_amount(answer)
    if answer.ended is None:
        return
    began = answer.numbers[-1][0] if answer.numbers else 0.0
    last = max([began, *answer.comments])
    comments = "keep-alive comments had come" if answer.comments else "before a keep-alive comment"
    seen = f"the connection ended {answer.ended - last:.1f} s after the last byte, {comments}"
    yield Finding("time-out", f"{answer.path}: {seen}")


def judge_resume(answer: Answer) -> Iterator[Finding]:
    """Whether the answer knows the `Last-Event-ID`, which was the last number's: no more."""
    if answer.status == 200:
        seen = "the stream begins anew for a client that had it all"
        yield Finding("last-event-id", f"{answer.path}: {seen}")
    elif answer.status != 204:
        yield from judge_head(answer)
        yield from judge_start(answer)


def held_back(times: Sequence[float], interval: float) -> list[float]:
    """For how many seconds, at least, each of the events that came at `times` was held back.

    No clock of the server is needed: it may be slow, but sends none sooner than
    `interval` after the one before. So each was sent that much before any later one came.
    """
    offsets = [time - turn * interval for turn, time in enumerate(times)]
    soonest = list(accumulate(reversed(offsets), min))[::-1]
    return [offset - least for offset, least in zip(offsets, soonest, strict=True)]


def bunches(times: Iterable[float]) -> int:
    """How many groups `times` fall into, of which each came in one go."""
    count, last = 0, -INTERVAL
    for time in times:
        count += time - last > INTERVAL / 2
        last = time
    return count
