"""The doctor, before real proxies that are well or ill, and a server that is hostile."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from server.doctor.asking import Target
from server.doctor.examination import Report, examine, start_page
from server.doctor.ills import ILLS
from tests.doctor.test_asking import bomb
from tests.proxies import PROXIES, Certificate, free_port, proxied
from tests.relay import Forward, Pieces, Treat, relaying
from tests.running import PATIENCE, Server, running


class Outcome(NamedTuple):
    code: int
    output: str
    errors: str

    @property
    def report(self) -> Any:
        return json.loads(self.output)

    @property
    def names(self) -> set[str]:
        return {finding["name"] for finding in self.report["findings"]}


def consult(*arguments: object, **environment: str) -> Outcome:
    """Run the doctor."""
    command = [sys.executable, "-m", "server.doctor", *map(str, arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, **environment},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


class Case(NamedTuple):
    """A proxy, what is changed in its file of deploy/, and what the doctor finds."""

    proxy: str
    change: dict[str, str]
    names: set[str]


NO_BUFFERING = "proxy_buffering off;"
LEAST_CONN = "balance leastconn"
TRANSPORT = "transport http {"

CASES = {
    "nginx": Case("nginx", {}, set()),
    "nginx, by default": Case(
        "nginx", {NO_BUFFERING: "", "gzip off;": "", "proxy_http_version 1.1;": ""}, set()
    ),
    "nginx buffers": Case(
        "nginx",
        {NO_BUFFERING: "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"},
        {"buffering"},
    ),
    "nginx compresses": Case(
        "nginx",
        {"gzip off;": "gzip on; gzip_proxied any; gzip_types text/event-stream;"},
        {"compression"},
    ),
    "nginx has little patience": Case(
        "nginx", {"proxy_read_timeout 60s": "proxy_read_timeout 1s"}, {"time-out"}
    ),
    "nginx hides headers": Case(
        "nginx",
        {NO_BUFFERING: 'proxy_hide_header Cache-Control; proxy_set_header Last-Event-ID "";'},
        {"cache-control", "last-event-id"},
    ),
    "HAProxy": Case("HAProxy", {}, set()),
    "HAProxy heeds no-transform": Case(
        "HAProxy",
        {
            LEAST_CONN: f"{LEAST_CONN}\n    compression algo gzip"
            "\n    compression type text/event-stream"
        },
        set(),
    ),
    "HAProxy waits": Case(
        "HAProxy",
        {LEAST_CONN: f"{LEAST_CONN}\n    http-response wait-for-body time 30s"},
        {"buffering"},
    ),
    "HAProxy has little patience": Case(
        "HAProxy", {"timeout server 60s": "timeout server 1s"}, {"time-out"}
    ),
    "Caddy": Case("Caddy", {}, set()),
    "Caddy flushes now and then": Case(
        "Caddy", {TRANSPORT: f"flush_interval 5s\n{TRANSPORT}"}, set()
    ),
    "Caddy buffers": Case("Caddy", {TRANSPORT: f"buffer_responses\n{TRANSPORT}"}, {"buffering"}),
    "Caddy compresses": Case(
        "Caddy",
        {"\thandle {": "\tencode {\n\t\tgzip\n\t\tminimum_length 1\n\t}\n\thandle {"},
        {"compression"},
    ),
    "Caddy has little patience": Case(
        "Caddy", {TRANSPORT: f"{TRANSPORT}\nread_timeout 1s"}, {"time-out"}
    ),
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("doctor")
    (path / "app.log").write_text("a line\n")
    with running(path, path / "app.log", "--keep-alive", "1.5", "--token", "right") as server:
        yield server


@pytest.fixture(scope="module")
def outcomes(
    server: Server, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, "Future[Outcome]"]]:
    """What the doctor says of each case; several at a time, since it does little but wait."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(5))
        options = ["--json", "--wait", 2, "--token", "right", "--cacert", certificate.path]
        outcomes = {}
        for name, case in CASES.items():
            directory = tmp_path_factory.mktemp("proxy")
            kind = PROXIES[case.proxy]
            proxy = stack.enter_context(
                proxied(kind, directory, certificate, server, change=case.change)
            )
            outcomes[name] = pool.submit(consult, proxy.url, *options)
        yield outcomes
        for outcome in outcomes.values():
            outcome.result()


@pytest.mark.parametrize("name", CASES)
def test_it_names_what_a_proxy_does_to_streams(
    outcomes: dict[str, "Future[Outcome]"], name: str
) -> None:
    outcome = outcomes[name].result(PATIENCE * 3)
    assert outcome.errors == ""
    assert outcome.names == CASES[name].names, outcome.output
    assert outcome.code == (1 if CASES[name].names else 0)


# --- what no real proxy does ------------------------------------------------------


def answering(head: str, body: str = "") -> Treat:
    """Whatever is asked."""
    answer = f"HTTP/1.1 {head}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode()
    return lambda request, forward: iter([answer])


def rewriting(pattern: bytes, new: bytes) -> Treat:
    """Passes the real server's answer on, with something in it replaced."""
    return lambda request, forward: (re.sub(pattern, new, piece) for piece in forward(request))


def silent(request: bytes, forward: Forward) -> Pieces:
    threading.Event().wait(PATIENCE)
    yield b""


def in_http_1_0(request: bytes, forward: Forward) -> Pieces:
    return rewriting(b"HTTP/1.1 ", b"HTTP/1.0 ")(request, forward)


def cutting(request: bytes, forward: Forward) -> Pieces:
    for piece in forward(request):
        if b"id: 4\n" in piece:
            return
        yield piece


def storing(request: bytes, forward: Forward) -> Pieces:
    if b"interval=0.25" in request:
        request = request.replace(b"interval=0.25", b"interval=0")
    return forward(request)


def collecting(request: bytes, forward: Forward) -> Pieces:
    """As jupyter-server-proxy does."""
    if b"Accept: text/event-stream\r\n" in request:
        yield from forward(request)
    else:
        yield b"".join(forward(request))


def flushing_now_and_then(request: bytes, forward: Forward) -> Pieces:
    held, count = b"", 0
    for piece in forward(request):
        held, count = held + piece, count + 1
        if count % 3 == 0:
            yield held
            held = b""
    yield held


def in_brotli(request: bytes, forward: Forward) -> Pieces:
    if b"gzip, deflate, br" in request:
        return rewriting(b"\r\n\r\n", b"\r\nContent-Encoding: br\r\n\r\n")(request, forward)
    return forward(request)


def pouring(begin: bytes, more: bytes) -> Treat:
    """`more` again and again, for as long as somebody listens."""
    return lambda request, forward: chain([begin], repeat(more))


def dripping(request: bytes, forward: Forward) -> Pieces:
    """A byte at a time, each of them soon enough for whoever waits for the next one."""
    for byte in chain(b"HTTP/1.1 200 OK\r\nX-Endless: ", repeat(ord("x"))):
        yield bytes([byte])
        threading.Event().wait(0.2)


def flooding_silence(request: bytes, forward: Forward) -> Pieces:
    """Much where nothing is asked for, and else what the real server says."""
    if b"interval=3600" in request:
        return chain([next(forward(request))], repeat(b": nonsense\n\n" * 100))
    return forward(request)


EVENTS = "200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-transform"
STREAM = f"HTTP/1.1 {EVENTS}\r\n\r\n".encode()
PACKED = STREAM[:-2] + b"Content-Encoding: gzip\r\n\r\n"
HTML = "Content-Type: text/html"

HOSTILE: dict[str, tuple[Treat, str, str]] = {
    "a login": (
        answering("302 Found\r\nLocation: https://login.example.org/in?next=a-secret"),
        "redirect",
        "to https://login.example.org/in$",
    ),
    "a login page": (
        answering(f"200 OK\r\n{HTML}", "<html><title>Sign in</title>"),
        "content-type",
        "text/html, 'Sign in'$",
    ),
    "a password": (
        answering(f"401 Unauthorized\r\n{HTML}", "<title>401 Authorization Required</title>"),
        "token",
        "401 Unauthorized, '401 Authorization Required'$",
    ),
    "204": (answering("204 No Content"), "status", "204 No Content$"),
    "500": (answering("500 Internal Server Error", "oh\x1b[2Jno\n"), "status", r"'oh\\x1b\[2Jno'$"),
    "429": (answering("429 Too Many Requests"), "full", "429"),
    "502": (answering(f"502 Bad Gateway\r\n{HTML}", "<h1>502</h1>"), "away", "502 Bad Gateway$"),
    "a proxy's own stream": (answering(EVENTS, "retry: 3000\n\n"), "away", "when to come back"),
    "too many clients": (
        answering(EVENTS, 'event: refused\ndata: {"why": "too many clients"}\n\n'),
        "full",
        "refused",
    ),
    "an empty stream": (answering(EVENTS), "unreachable", "no event came"),
    "hanging up": (lambda request, forward: iter([]), "unreachable", "RemoteDisconnected"),
    "another protocol": (
        lambda request, forward: iter([b"SSH-2.0-OpenSSH_9.2\r\n"]),
        "unreachable",
        "BadStatusLine.*SSH",
    ),
    "no answer": (silent, "unreachable", "no event came within 5 s"),
    "HTTP/1.0": (in_http_1_0, "http-1.0", "HTTP/1.0"),
    "a limit": (cutting, "cut", "3 came before the end, after [0-9].[0-9] s$"),
    "a lost event": (rewriting(b"id: 5\ndata: 5\n\n", b""), "lost", r"3, 4, 6, 7"),
    "a doubled event": (rewriting(b"(id: 5\ndata: 5\n\n)", rb"\1\1"), "lost", "5, 5, 6"),
    "changed data": (rewriting(b"data: 7", b"data: VII"), "lost", "6, 8, 9"),
    "a cache": (storing, "stored", r"all of 10 events 0.25 s apart were there \d\.\d s"),
    "an Accept that is insisted on": (
        collecting,
        "accept",
        r"\*/\*.*came at once, held back for up to 2.2 s",
    ),
    "bunches": (
        flushing_now_and_then,
        "buffering",
        "came in [45] bunches, held back for up to 0.[4-8] s",
    ),
    "a redirect to no address": (
        answering("302 Found\r\nLocation: http://[bad?a-secret"),
        "redirect",
        r"302, to http://\[bad$",
    ),
    "a number of many digits": (
        answering(EVENTS, f"id: {'9' * 5000}\ndata: {'9' * 5000}\n\n"),
        "lost",
        "instead of the number 1 came 'id: 999",
    ),
    "a line without end": (
        pouring(STREAM + b"data: ", b"x" * 65536),
        "too-much",
        "more than 256 KiB came of a short stream$",
    ),
    "events without end": (pouring(STREAM, b"\n\n" * 32768), "too-much", "more than 256 KiB"),
    "numbers without end": (
        pouring(STREAM, b"id: 1\ndata: 1\n\n"),
        "too-much",
        "more than 256 KiB",
    ),
    "what is packed": (
        lambda request, forward: iter([PACKED, bomb(1_000_000)]),
        "too-much",
        "came of a short stream, unpacked from gzip$",
    ),
    "nothing, packed, without end": (
        pouring(PACKED + bomb(0), b"\0" * 65536),
        "too-much",
        "unpacked from gzip$",
    ),
    "heads without end": (
        pouring(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "too-much",
        "256 KiB came without a whole head",
    ),
    "a slow head": (dripping, "unreachable", "no event came within 5 s"),
    "much instead of silence": (flooding_silence, "too-much", "more than 256 KiB"),
    "brotli": (in_brotli, "compression", "Content-Encoding: br"),
}


@pytest.fixture(scope="module")
def reports(server: Server) -> Iterator[dict[str, "Future[Report]"]]:
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(8))
        headers = {"Authorization": "Bearer right"}
        reports = {}
        for name, (treat, _, _) in HOSTILE.items():
            base, _ = start_page(stack.enter_context(relaying(treat, server.port)))
            reports[name] = pool.submit(examine, Target(base, headers), 1)
        yield reports
        for report in reports.values():
            report.result()


@pytest.mark.parametrize("name", HOSTILE)
def test_it_names_what_is_wrong_and_says_how_that_was_seen(
    reports: dict[str, "Future[Report]"], name: str
) -> None:
    _, finding, seen = HOSTILE[name]
    [found] = reports[name].result(PATIENCE * 2).findings
    assert found.name == finding
    assert re.search(seen, found.seen), found.seen
    assert "secret" not in found.seen


def test_what_a_terminal_cannot_show_is_shown_as_its_number() -> None:
    page = "<title>5 €</title>"
    with relaying(answering(f"403 Forbidden\r\n{HTML}", page)) as url:
        outcome = consult(url, PYTHONIOENCODING="latin-1")
    assert (outcome.code, outcome.errors) == (1, "")
    assert r"'5 \u20ac'" in outcome.output


# --- the server, and the way to it ------------------------------------------------


def test_a_server_that_is_well_is_told_with_figures(server: Server) -> None:
    # the address as the server prints it
    outcome = consult(f"{server.url}/stream-logs?token=right", "--wait", 3)
    assert (outcome.code, outcome.errors) == (0, "")
    assert outcome.output.startswith(f"{server.url}/: streams well\n")
    assert re.search(r"ok: 10 events 0.25 s apart were held back for \d+ ms at", outcome.output)
    assert re.search(r"open for 3 s; the first keep-alive comment .* [12]\.\d s", outcome.output)
    assert "right" not in outcome.output


@pytest.mark.parametrize(
    ("url", "options", "name", "seen"),
    [
        ("{server}", ["--token", "wrong"], "token", "the token is wrong"),
        ("{server}", [], "token", "a token is needed"),
        ("{server}", ["--header", "Host: evil.example"], "forbidden", "--allow-host"),
        (
            "{server}/elsewhere/?token=right",
            [],
            "not-found",
            "there is nothing at '/elsewhere/stream-numbers'",
        ),
        ("http://127.0.0.1:{free}", [], "unreachable", "Connection refused"),
        ("http://no.such.name.invalid", [], "unreachable", "no.such.name.invalid"),
        ("{proxy}", [], "tls", "self-signed certificate"),
        ("{proxy_without_tls}", [], "tls", "400 Bad Request"),
        ("{server_with_tls}", [], "tls", ""),
    ],
)
def test_what_keeps_a_client_out_is_told_in_the_server_s_own_words(
    server: Server,
    certificate: Certificate,
    tmp_path: Path,
    url: str,
    options: list[str],
    name: str,
    seen: str,
) -> None:
    with proxied(PROXIES["nginx"], tmp_path, certificate, server) as proxy:
        places = {
            "server": server.url,
            "server_with_tls": server.url.replace("http:", "https:"),
            "proxy": proxy.url,
            "proxy_without_tls": proxy.url.replace("https:", "http:"),
            "free": free_port(),
        }
        outcome = consult(url.format(**places), "--json", *options)
    assert (outcome.code, outcome.errors) == (1, "")
    assert outcome.names == {name}
    assert seen in outcome.report["findings"][0]["seen"]


def test_the_text_names_the_finding_the_figure_and_the_remedy(server: Server) -> None:
    outcome = consult(server.url, "--token", "wrong")
    assert outcome.code == 1
    lines = outcome.output.splitlines()
    assert lines[0] == f"{server.url}/: something is wrong"
    assert lines[2] == "token: the token is refused"
    assert lines[3].startswith("  seen: /stream-numbers: 401 Unauthorized, 'the token is wrong: ")
    assert lines[4].startswith("  remedy: Give the server's token with --token or RIACHO_TOKEN.")
    assert any(line.startswith("    nginx: ") for line in lines[5:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'URL'."),
        (["logs.example.org"], "logs.example.org: it is no address of HTTP. Give a URL such as"),
        (["ftp://a"], "ftp://a: it is no address"),
        (["http://[bad"], "http://[bad: Invalid IPv6 URL. Give a URL such as https://"),
        (["http://a..b/"], "http://a..b/: a part of its host name is empty"),
        (["http://é..b/"], "http://é..b/: a part of its host name is empty"),
        ([f"http://{'a' * 64}/"], f"http://{'a' * 64}/: a part of its host name"),
        (["http://\udcff/"], "http://"),
        (["http://a b/"], "http://a b/: its host name has a space"),
        (["http://a\nb c/"], r"http://a\nb c/: its host name has a space"),
        (["http://a:99999"], "http://a:99999: Port out of range"),
        (["http://a:b"], "http://a:b: Port could not be cast"),
        (
            ["http://a", "--header", "Cookie"],
            "--header 'Cookie': give a name, a colon and a value.",
        ),
        (["http://a", "--header", "A: b\nc"], "--header"),
        (["http://a", "--token", "ü€"], "--token"),
        (["http://a", "--wait", "nan"], "Invalid value for '--wait'"),
        (["http://a", "--wait", "-1"], "Invalid value for '--wait'"),
        (["http://a", "--cacert", "/nowhere"], "--cacert /nowhere: "),
        (["http://a", "--nonsense"], "No such option"),
    ],
)
def test_a_bad_command_line_is_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    outcome = consult(*arguments)
    assert outcome.code == 2
    assert outcome.output == ""
    assert outcome.errors.startswith(f"doctor: {message}")
    assert outcome.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "base", "token"),
    [
        ("http://a", "http://a/", None),
        ("https://a.example/riacho", "https://a.example/riacho/", None),
        ("http://a:8000/?token=x", "http://a:8000/", "x"),
        ("http://a/riacho/stream-logs?backlog=3&token=x#y", "http://a/riacho/", "x"),
        ("http://a/client_listen_logs.html", "http://a/", None),
        ("http://user:secret@a/", "http://a/", None),
        ("http://[::1]:8000/healthz", "http://[::1]:8000/", None),
        ("http://a/é b/%C3%A9?token=é", "http://a/%C3%A9%20b/%C3%A9/", "é"),
        ("http://a/\udcff/", "http://a/%FF/", None),
        ("https://bücher.example:8000/", "https://xn--bcher-kva.example:8000/", None),
    ],
)
def test_any_address_of_a_server_leads_to_its_start_page(
    url: str, base: str, token: str | None
) -> None:
    found, found_token = start_page(url)
    assert (found.geturl(), found_token) == (base, token)


def test_a_path_with_letters_beyond_ascii_is_asked_for() -> None:
    requests = []

    def treat(request: bytes, forward: Forward) -> Pieces:
        requests.append(request.partition(b"\r\n")[0])
        return answering("404 Not Found")(request, forward)

    with relaying(treat) as url:
        outcome = consult(f"{url}é/", "--json")
    assert (outcome.code, outcome.errors) == (1, "")
    assert outcome.names == {"not-found"}
    assert requests == [b"GET /%C3%A9/stream-numbers?to=1 HTTP/1.1"]


def test_every_ill_has_been_found_once() -> None:
    found = {name for case in CASES.values() for name in case.names}
    found |= {name for _, name, _ in HOSTILE.values()}
    assert set(ILLS) - found == {"forbidden", "not-found", "tls"}  # see above
