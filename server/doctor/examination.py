"""`python -m server.doctor URL`: finds out what keeps streams from a client.

It streams through whatever stands in between, as a browser does and as others do, and
takes the time.
"""

import json
import re
import ssl
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

import click

from server.doctor.asking import (
    ANYTHING,
    COMPRESSING,
    EVENT_SOURCE,
    PATIENCE,
    RETURNING,
    NoAnswerError,
    Target,
)
from server.doctor.diagnosis import (
    INTERVAL,
    NUMBERS,
    Answer,
    Finding,
    bunches,
    held_back,
    judge_head,
    judge_pace,
    judge_resume,
    judge_silence,
    judge_start,
)
from server.output import Command, complain, give_up_what_is_left, tell
from server.reporting import printable
from server.settings import Settings

_IN_PATH = "/%!$&'()*+,;=:@-._~"
"""The characters that a path may have as they are, and `%`, which begins an encoded one (RFC 3986,
section 3.3)."""

_ROUTE = re.compile(r"(stream-logs|stream-numbers|slow-numbers|logs|healthz|metrics|[\w-]+\.html)$")


@dataclass
class Report:
    """What is wrong; and what was looked at, and is not."""

    findings: list[Finding] = field(default_factory=list)
    well: list[str] = field(default_factory=list)

    def note(self, findings: Iterable[Finding], well: str = "") -> None:
        """Take the findings, each name once; without any, what is `well`."""
        found = list(findings)
        for finding in found:
            if finding.name not in [known.name for known in self.findings]:
                self.findings.append(finding)
        if not found and well:
            self.well.append(well)


def examine(target: Target, wait: int) -> Report:
    """Find out what is wrong; a silent stream is watched for `wait` seconds."""
    report = Report()
    try:
        first = target.ask("stream-numbers?to=1")
        report.note(judge_head(first))
        if first.numbers and not first.too_long:
            _examine_streams(target, wait, report)
        elif not report.findings:
            report.note([_judge_without_number(first)])
    except NoAnswerError as error:
        report.note([error.finding])
    return report


def _judge_without_number(answer: Answer) -> Finding:
    events = [frame for _, frame in answer.frames if re.search("^data", frame, re.M)]
    if events:
        seen = f"{answer.path}: instead of the number 1 came {events[0][:200]!r}"
        return Finding("lost", seen)
    return Finding("unreachable", f"{answer.path}: no event came within {PATIENCE:g} s")


def _examine_streams(target: Target, wait: int, report: Report) -> None:
    with ThreadPoolExecutor() as pool:  # all at the same time: most of it is waiting
        paced = pool.submit(_pace, target, COMPRESSING)
        other = pool.submit(_pace, target, ANYTHING)
        opened = pool.submit(target.ask, "stream-logs?backlog=1", first_byte_only=True)
        resumed = pool.submit(target.ask, "stream-numbers?to=1", headers=RETURNING)
        silent = pool.submit(target.ask, "stream-numbers?to=2&interval=3600", wait)

    answer, findings = paced.result()
    if answer.encoding:
        report.note([Finding("compression", f"{answer.path}: Content-Encoding: {answer.encoding}")])
        answer, findings = _pace(target, EVENT_SOURCE)
    report.note(findings, _describe_pace(answer))
    if not findings:
        _, findings = other.result()
        findings = [Finding("accept", f"with Accept: */*, {one.seen}") for one in findings]
        report.note(findings, "they come so with any Accept")
    log = opened.result()
    report.note([*judge_head(log), *judge_start(log)], f"{log.path} begins at once")
    report.note(judge_resume(resumed.result()), "the header Last-Event-ID arrives")
    quiet = silent.result()
    if quiet.numbers or quiet.too_long:
        report.note(judge_silence(quiet), _describe_silence(quiet, wait))


def _pace(target: Target, headers: Mapping[str, str]) -> tuple[Answer, list[Finding]]:
    """Take the time of numbers; again where what is wrong may be a machine that was busy."""
    for _ in range(3):
        query = f"stream-numbers?to={NUMBERS}&interval={INTERVAL}"
        answer = target.ask(query, NUMBERS * INTERVAL + PATIENCE, headers)
        findings = list(judge_pace(answer))
        came = bunches(when for when, _ in answer.numbers)
        if came <= 1 or "buffering" not in [finding.name for finding in findings]:
            break
    return answer, findings


def _describe_pace(answer: Answer) -> str:
    held = max(held_back([when for when, _ in answer.numbers], INTERVAL), default=0)
    return f"{NUMBERS} events {INTERVAL} s apart were held back for {1000 * held:.0f} ms at most"


def _describe_silence(answer: Answer, wait: int) -> str:
    if answer.comments:
        comments = f"the first keep-alive comment came after {answer.comments[0]:.1f} s"
    else:
        comments = "no keep-alive comment came yet, so give a longer --wait to test more"
    return f"a silent stream stayed open for {wait} s; {comments}"


def start_page(url: str) -> tuple[SplitResult, str | None]:
    """The address of the start page, and the token in it, for any of a server's addresses.

    The address is as it is sent, in ASCII. Raises ValueError for what is no address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("it is no address of HTTP")
    path = _ROUTE.sub("", parts.path)
    base = parts._replace(
        path=quote(path if path.endswith("/") else f"{path}/", _IN_PATH, errors="surrogateescape"),
        netloc=_host(parts.hostname) + (f":{parts.port}" if parts.port else ""),
        query="",
        fragment="",
    )
    return base, parse_qs(parts.query).get("token", [None])[0]


def _host(name: str) -> str:
    try:
        host = name.encode("idna").decode()
    except UnicodeError:
        raise ValueError("a part of its host name is empty, too long or no name") from None
    if not re.fullmatch("[!-~]+", host):
        raise ValueError("its host name has a space or a control character in it")
    return f"[{host}]" if ":" in host else host


def _examine(
    url: str,
    token: str | None,
    header: tuple[str, ...],
    cacert: Path | None,
    wait: int,
    as_json: bool,
) -> int:
    try:
        base, token_in_url = start_page(url)
    except ValueError as error:
        remedy = "Give a URL such as https://logs.example.org/"
        raise click.UsageError(f"{printable(url)}: {error}. {remedy}.") from None
    headers = _headers(token or token_in_url, header)
    try:
        tls = ssl.create_default_context(cafile=cacert)
    except OSError as error:
        raise click.UsageError(f"--cacert {cacert}: {error}.") from None
    report = examine(Target(base, headers, tls), wait)
    tell(_as_json(base, report) if as_json else _as_text(base, report))
    return 1 if report.findings else 0


def _headers(token: str | None, lines: tuple[str, ...]) -> dict[str, str]:
    """What is to be sent beside the usual headers. Raises click.UsageError."""
    if token and not (token.isascii() and token.isprintable()):
        raise click.UsageError("--token: give one of printable ASCII characters.")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for line in lines:
        # RFC 9110, section 5
        match = re.fullmatch(r"([!#$%&'*+.^_`|~\w-]+):[ \t]*([ -~\t]*)", line, re.ASCII)
        if not match:
            raise click.UsageError(f"--header {line!r}: give a name, a colon and a value.")
        headers[match[1]] = match[2]
    return headers


def _as_text(base: SplitResult, report: Report) -> str:
    lines = [f"{base.geturl()}: {'something is wrong' if report.findings else 'streams well'}"]
    lines += [f"  ok: {one}" for one in report.well]
    for one in report.findings:
        lines += ["", f"{one.name}: {one.ill.what}"]
        lines += [f"  seen: {printable(one.seen)}", f"  remedy: {one.ill.remedy}"]
        lines += [f"    {line}" for line in one.ill.settings]
    return "\n".join(lines)


def _as_json(base: SplitResult, report: Report) -> str:
    findings = [
        {"name": one.name, "seen": one.seen, **one.ill._asdict()} for one in report.findings
    ]
    return json.dumps({"url": base.geturl(), "findings": findings, "well": report.well}, indent=2)


command = Command(
    "doctor",
    callback=_examine,
    params=[
        click.Argument(["url"]),
        click.Option(["--token"], envvar="RIACHO_TOKEN", show_envvar=True, help="The token."),
        click.Option(
            ["--header"],
            multiple=True,
            help="A header to send, as for a proxy with a login: 'Cookie: NAME=VALUE'. May repeat.",
        ),
        click.Option(
            ["--cacert"],
            type=click.Path(path_type=Path),
            help="Certificates (PEM) of authorities to trust instead of the system's.",
        ),
        click.Option(
            ["--wait"],
            type=click.IntRange(0, 3600),
            default=round(Settings().keep_alive + PATIENCE),
            show_default=True,
            help="Seconds to watch a silent stream: longer than the server's --keep-alive.",
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="Tell it as JSON."),
    ],
    help="""Find out what keeps the streams of the Riacho at URL from arriving as they should.

    URL is the address of its start page, as clients see it. The exit code is 0 if all
    is well, 1 if something is wrong, 2 if the command line is or nobody can be told.
    """,
    context_settings={"max_content_width": 100},
)


def main() -> None:
    """Examine, and exit with what was found."""
    try:
        code = command.main(prog_name="python -m server.doctor", standalone_mode=False)
    except click.Abort:
        code = 130
    except click.ClickException as error:
        complain(f"doctor: {error.format_message()}")
        code = 2
    give_up_what_is_left()
    sys.exit(code)
