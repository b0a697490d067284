"""What the answers to the doctor's requests tell about whatever stands in between."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import urlsplit

INTERVAL = 0.25
"""Seconds between two of the numbers that are sent to be timed."""

NUMBERS = 10
"""How many these are."""

SLOW_START = 2.0
"""Seconds after a request in which the first byte of a stream has to be there."""


_BY_STATUS = {
    **dict.fromkeys((301, 302, 303, 307, 308), "redirect"),
    401: "token",
    403: "forbidden",
    404: "not-found",
    429: "full",
    **dict.fromkeys((502, 503, 504), "away"),
}


class Ill(NamedTuple):
    """Something that may be wrong, and what to do about it."""

    what: str
    remedy: str
    settings: tuple[str, ...] = ()
    """What to write, or to take out, in the configuration of this proxy or that."""


ILLS = {
    "unreachable": Ill(
        "nobody answers there",
        "Check name and port, and that proxy and server run; python -m server prints its address, "
        "which is of this machine only without --host. Who hangs up at once may want https://.",
    ),
    "tls": Ill(
        "TLS fails",
        "Check the name and the date of the certificate, and that its chain is sent; for an "
        "authority of your own there is --cacert. Write https:// where TLS is spoken, and only "
        "there.",
    ),
    "redirect": Ill(
        "the stream is redirected",
        "Give the URL that it leads to. If that is a login: let the proxy pass streams on without "
        "one (Riacho has a token), or give its cookie with --header.",
    ),
    "token": Ill(
        "the token is refused",
        "Give the server's token with --token or RIACHO_TOKEN. If it is right, the proxy does not "
        "pass on the header Authorization, or asks for a password of its own.",
        (
            "nginx: proxy_set_header Authorization $http_authorization; and no auth_basic",
            "HAProxy: no http-request del-header Authorization, no http-request auth",
            "Caddy: no header_up -Authorization, no basicauth",
            "Apache: no AuthType",
        ),
    ),
    "forbidden": Ill(
        "the request is forbidden",
        "If the server does not know the name: start it with --allow-host and this name. Else "
        "see the proxy's rules of access.",
    ),
    "not-found": Ill(
        "there is no stream at this path",
        "Give the URL of the start page. Behind a proxy, the server's --prefix is the path that "
        "the proxy passes on, whole.",
        (
            "nginx: proxy_pass http://riacho;  (no path, no slash behind the name)",
            "HAProxy: no http-request replace-path",
            "Caddy: handle instead of handle_path, no uri strip_prefix",
            "Apache: ProxyPass /riacho/ http://127.0.0.1:8001/riacho/",
        ),
    ),
    "away": Ill(
        "the proxy does not reach the server",
        "Start the server, or correct its address in the proxy.",
        (
            "nginx: upstream riacho { server 127.0.0.1:8001; }",
            "HAProxy: server first 127.0.0.1:8001",
            "Caddy: reverse_proxy 127.0.0.1:8001",
            "Apache: ProxyPass / http://127.0.0.1:8001/",
        ),
    ),
    "status": Ill(
        "a stream is not answered like this",
        "See what stands at this URL, and in the logs of proxy and server.",
    ),
    "full": Ill(
        "there are too many clients, or too many wrong tokens came from this address",
        "After wrong tokens, wait for half a minute. Else raise --max-clients or "
        "--max-clients-per-address. Name the proxy with --trusted-proxy, or all its clients count "
        "as one.",
    ),
    "content-type": Ill(
        "the answer is no event stream",
        "If it is a page of somebody else's, such as a login, correct the URL or let the proxy "
        "pass streams on. Else it changes the header, and EventSource takes nothing but "
        "text/event-stream.",
        (
            "nginx: no proxy_hide_header Content-Type",
            "HAProxy: no http-response set-header Content-Type",
            "Caddy: no header_down Content-Type",
        ),
    ),
    "cache-control": Ill(
        "the header Cache-Control was changed",
        "Without no-cache and no-transform, others on the way may store and compress the stream.",
        (
            "nginx: no expires, no proxy_hide_header Cache-Control",
            "HAProxy: no http-response set-header Cache-Control",
            "Caddy: no header Cache-Control",
            "Apache: no ExpiresActive",
        ),
    ),
    "http-1.0": Ill(
        "the answer is HTTP/1.0",
        "Let the proxy speak 1.1 or 2 to clients: in 1.0, a stream that is cut looks as if it had "
        "come to its end.",
        ("Apache: no SetEnv force-response-1.0",),
    ),
    "compression": Ill(
        "the stream is compressed",
        "What compresses holds back, or may at any time: it does not heed no-transform.",
        (
            "nginx: gzip off;",
            "HAProxy: no text/event-stream in compression type",
            "Caddy: @pages not path */stream-*  and  encode @pages gzip",
            "Apache: SetEnv no-gzip 1",
        ),
    ),
    "buffering": Ill(
        "events are held back",
        "Let each event pass at once.",
        (
            "nginx: proxy_buffering off;  (it heeds X-Accel-Buffering, and takes it away)",
            "HAProxy: option http-no-delay, no http-response wait-for-body",
            "Caddy: no buffer_responses, no response_buffers",
            "Apache: ProxyPass / http://127.0.0.1:8001/ flushpackets=on",
        ),
    ),
    "stored": Ill(
        "the stream comes from a cache",
        "Do not store streams.",
        (
            "nginx: proxy_cache off;",
            "HAProxy: no http-request cache-use",
            "Apache: CacheDisable on",
        ),
    ),
    "cut": Ill(
        "the stream is cut while events come",
        "Something limits the time or the size of an answer, or the server was stopped meanwhile. "
        "Look for such limits in load balancers and proxies.",
        ("Caddy: no write_timeout in servers { timeouts }",),
    ),
    "lost": Ill(
        "events are missing, doubled or changed",
        "Bytes have to pass unchanged: look for a filter that writes into answers.",
        ("nginx: no sub_filter", "Caddy: no replace", "Apache: no Substitute"),
    ),
    "time-out": Ill(
        "a silent stream is cut",
        "Make the time-out longer than the server's --keep-alive, or that shorter.",
        (
            "nginx: proxy_read_timeout 60s;  and  send_timeout 60s;",
            "HAProxy: timeout server 60s  and  timeout client 60s",
            "Caddy: no read_timeout, no write_timeout",
            "Apache: ProxyTimeout 60",
        ),
    ),
    "last-event-id": Ill(
        "the header Last-Event-ID does not arrive",
        "Let it pass, or clients that come back lose lines.",
        (
            'nginx: no proxy_set_header Last-Event-ID "", no proxy_pass_request_headers off',
            "HAProxy: no http-request del-header Last-Event-ID",
            "Caddy: no header_up -Last-Event-ID",
        ),
    ),
    "accept": Ill(
        "only who accepts nothing but event streams gets one",
        "EventSource does so. Let other clients do it, too: "
        "curl -N -H 'Accept: text/event-stream'. (jupyter-server-proxy asks for that.)",
    ),
}
"""All that can be found, by name."""


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

    @property
    def numbers(self) -> list[tuple[float, int]]:
        """The numbers that came, and when."""
        form = re.compile(r"^id: (\d+)\ndata: \1$", re.M)
        matches = ((time, form.search(frame)) for time, frame in self.frames)
        return [(time, int(match[1])) for time, match in matches if match]

    @property
    def comments(self) -> list[float]:
        """When keep-alive comments came."""
        return [time for time, frame in self.frames if re.fullmatch("(:.*\n?)+", frame)]

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


def _judge_status(answer: Answer) -> Finding:
    status = answer.status
    seen = f"{answer.path}: {status} {answer.reason}".rstrip() + _said(answer)
    if _BY_STATUS.get(status) == "redirect":
        # without its query, in which a secret may be
        target = urlsplit(answer.headers.get("location", ""))._replace(query="", fragment="")
        return Finding("redirect", f"{answer.path}: {status}, to {target.geturl()}")
    if status == 400 and "HTTPS" in answer.text:
        return Finding("tls", seen)
    return Finding(_BY_STATUS.get(status, "status"), seen)


def _said(answer: Answer) -> str:
    """The first words of an answer that is no stream: a server's own reason, a page's title."""
    title = re.search("<title>(.*?)</title>", answer.text, re.S | re.I)
    words = title[1] if title else "" if "<" in answer.text else answer.text.partition("\n")[0]
    return f", {words.strip()[:200]!r}" if words.strip() else ""


def judge_pace(answer: Answer) -> Iterator[Finding]:
    """Whether numbers that are sent every `INTERVAL` seconds come so, and all of them."""
    if answer.status and not answer.is_stream:
        yield from judge_head(answer)
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
        return Finding("lost", f"{answer.path}: instead of the numbers 1 to {NUMBERS} came {found}")
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
