"""The command that shows lines in a terminal, with real servers and as a real process."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from server.follow.command import stream_at
from tests.follow.commands import (
    OPEN,
    Outcome,
    command,
    environment,
    follow,
    line,
    running_on,
    streaming,
)
from tests.proxies import free_port
from tests.relay import Forward, Pieces, relaying
from tests.running import PATIENCE, Server, running, wait_until
from tests.test_cli import full_device

HOSTILE = b"\x1b]0;title\x07 \x1b[2J \x9b2J \xc2\x9b2J \xe2\x80\xae \x7f \x00 \xff a\tb\r \xc3\xa9"
"""What a terminal would obey, or show in another order; and a tab and a letter, which are meant."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two logs that do not grow."""
    where = tmp_path_factory.mktemp("server")
    (where / "app.log").write_text("10:00 INFO one\n10:01 ERROR two\n  at x\n10:02 INFO three\n")
    (where / "web.log").write_bytes(b"\x1b[31mERROR\x1b[0m red\n" + HOSTILE + b"\n")
    with running(where, "app.log", "web.log") as server:
        yield server


def shown(server: Server, lines: int, *arguments: object) -> list[str]:
    """So many lines that the command shows before the reader of its pipe leaves."""
    process = subprocess.Popen(
        command(server.url, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout
    assert process.stderr
    with process.stdout, process.stderr:
        found = [process.stdout.readline().decode()[:-1] for _ in range(lines)]
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""
    return found


# --- what is asked for ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ([], {}),
        (["--log", "a", "--log", "w*"], {"log": ["a", "w*"]}),
        (["-e", "a b&c", "--grep", "+é"], {"grep": ["a b&c", "+é"]}),
        (["-v", "-i", "-e", "x"], {"grep": ["x"], "invert": ["1"], "ignore_case": ["1"]}),
        (["--invert", "--ignore-case"], {"invert": ["1"], "ignore_case": ["1"]}),
        (["--level", "warn"], {"level": ["warn"]}),
        (["--since", "2h", "--until", "10m"], {"since": ["2h"], "until": ["10m"]}),
        (["-n", 0], {"backlog": ["0"]}),
        (["--backlog", 7, "--json"], {"backlog": ["7"], "format": ["json"]}),
        (["--from-start"], {"from": ["start"]}),
    ],
)
def test_options_are_asked_of_the_server(
    arguments: list[object], query: dict[str, list[str]]
) -> None:
    with streaming() as (url, requests):
        assert follow(url, *arguments) == Outcome(1, b"", "")
    asked = urlsplit(requests[0].split()[1].decode())
    assert asked.path == "/stream-logs"
    assert parse_qs(asked.query) == query


@pytest.mark.parametrize(
    ("url", "address", "token"),
    [
        ("http://h", "http://h/stream-logs", None),
        ("http://h:8000/", "http://h:8000/stream-logs", None),
        ("https://h/client_listen_logs.html#x", "https://h/stream-logs", None),
        ("http://h/riacho", "http://h/riacho/stream-logs", None),
        ("http://h/a/b/?token=x%20y", "http://h/a/b/stream-logs", "x y"),
        ("http://h/stream-logs?log=a&token=x&grep=%ff", "http://h/stream-logs?log=a&grep=%ff", "x"),
        ("http://h/stream-numbers?to=3", "http://h/stream-numbers?to=3", None),
    ],
)
def test_any_address_of_a_server_will_do(url: str, address: str, token: str | None) -> None:
    assert stream_at(url) == (address, token)


# --- what is shown --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--log", "app.log", "-n", 1], ["10:02 INFO three"]),
        (["--log", "app.log", "-e", "o", "-v", "--from-start"], ["  at x", "10:02 INFO three"]),
        (["--log", "app.log", "-e", "TWO", "-i"], ["10:01 ERROR two"]),
        (["--log", "app.log", "--level", "error"], ["10:01 ERROR two", "  at x"]),
        (["--log", "*", "-e", "three|red"], ["app.log: 10:02 INFO three", "web.log: ERROR red"]),
        (
            ["--log", "app.log", "-e", "three", "--json"],
            ['{"log": "app.log", "line": "10:02 INFO three", "level": "info"}'],
        ),
    ],
)
def test_lines_come_as_they_are_wanted(
    server: Server, arguments: list[object], lines: list[str]
) -> None:
    assert sorted(shown(server, len(lines), *arguments)) == sorted(lines)


def test_a_pipe_without_a_reader_ends_it_though_nothing_comes(server: Server) -> None:
    pipeline = f"{' '.join(command(server.url, '--log', 'app.log'))} | head -1; echo $?"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", pipeline],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(),
    )
    assert (done.stdout, done.stderr) == ("10:00 INFO one\n0\n", "")


def test_a_log_has_no_power_over_the_terminal(server: Server) -> None:
    [text] = shown(server, 1, "--log", "web.log", "-n", 1)
    assert text == r"\x1b]0;title\x07 \x1b[2J �2J \x9b2J \u202e \x7f \x00 � " + "a\tb\\r é"
    [several] = shown(server, 1, "--log", "web*", "-n", 1)
    assert several == f"web.log: {text}"
    [object] = shown(server, 1, "--log", "web.log", "-n", 1, "--json")
    assert object.isprintable()
    assert json.loads(object)["line"] == HOSTILE.decode(errors="replace")


RED, PLAIN = b"\x1b[31m10:01 ERROR two\x1b[0m", b"10:01 ERROR two"


@pytest.mark.parametrize(
    ("arguments", "changes", "is_terminal", "output"),
    [
        ([], {}, True, RED),
        ([], {}, False, PLAIN),
        ([], {"NO_COLOR": "1"}, True, PLAIN),
        ([], {"NO_COLOR": ""}, True, RED),
        ([], {"TERM": "dumb"}, True, PLAIN),
        (["--color", "never"], {}, True, PLAIN),
        (["--color", "always"], {"NO_COLOR": "1"}, False, RED),
    ],
)
def test_colours_are_for_terminals_and_for_who_wants_them(
    arguments: list[str], changes: dict[str, str], is_terminal: bool, output: bytes
) -> None:
    ours, theirs = pty.openpty() if is_terminal else os.pipe()
    with streaming(line(PLAIN)) as (url, _), os.fdopen(ours, "rb", 0) as reader:
        code = subprocess.run(
            command(url, *arguments),
            stdout=theirs,
            env=environment(**{"TERM": "xterm", **changes}),
            timeout=PATIENCE,
            check=False,
        ).returncode
        assert code == 0
        assert reader.read(1000).splitlines() == [output]
        os.close(theirs)


def test_what_happens_to_the_stream_is_told_on_stderr() -> None:
    gap = b'event: gap\ndata: {"bytes": 7, "why": "\\u001b[2J\\nit is gone"}\n\n'
    with streaming(gap, line(b"one")) as (url, _):
        assert follow(url) == Outcome(
            0, b"one\n", "follow: lines are missing (7 bytes): \\x1b[2J\\nit is gone\n"
        )


# --- how it ends ----------------------------------------------------------------------


@pytest.mark.parametrize(("events", "code"), [([], 1), ([line(b"one"), line(b"two")], 0)])
def test_the_exit_code_says_whether_a_line_came(events: list[bytes], code: int) -> None:
    with streaming(*events) as (url, _):
        assert follow(url, "--until", "10m").code == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--log", "app.log", "-e", "(a"], r"http://\S+ was refused: grep='\(a': a \( has no \)"),
        (["--log", "app.log", "-v"], "http.* was refused: invert=1 says how grep=PATTERN is meant"),
        (["--log", "app.log", "--level", "loud"], "http.* was refused: level='loud' is no level"),
        ([], "http.* was refused: there are several logs: give log=NAME, one of app.log, web.log"),
        (["--log", "ap.log"], "http.* gave 404 .*there is no log 'ap.log': app.log"),
        (["--backlog", "-1"], "Invalid value for '--backlog' / '-n'"),
        (["--token", "\n"], "--token: give one of printable"),
    ],
)
def test_what_the_server_refuses_is_one_line_and_no_reconnect(
    server: Server, arguments: list[object], said: str
) -> None:
    code, output, errors = follow(server.url, *arguments)
    assert (code, output) == (2, b"")
    assert re.fullmatch(f"follow: {said}.*\n", errors), errors


@pytest.mark.parametrize("url", ["h", "ftp://h/", "http://", "http://[bad", "http://a..b/"])
def test_an_address_that_is_none_is_one_line(url: str) -> None:
    code, output, errors = follow(url)
    assert (code, output) == (2, b"")
    assert re.fullmatch(r"follow: .*(address|Invalid IPv6).*\n", errors), errors


@pytest.mark.linux
def test_a_full_disk_is_one_line() -> None:
    stdout = full_device()
    with streaming(line(b"one")) as (url, _):
        done = subprocess.run(
            command(url), stdout=stdout, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
        )
    os.close(stdout)
    said = b"follow: stdout cannot be written (No space left on device)\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_token_is_needed_and_told_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    with running(tmp_path, "app.log", "--token", "secret") as server:
        assert shown(server, 1, "--token", "secret") == ["one"]
        for url, changes in (
            (server.url, {}),
            (f"{server.url}/?token=wrong", {}),
            (server.url, {"RIACHO_TOKEN": "wrong"}),
        ):
            code, _, errors = follow(url, **changes)
            assert code == 2
            assert re.fullmatch(r"follow: .* gave 401 .*\n", errors), errors
            assert "=wrong" not in errors
        url = f"{server.url}/?token=secret"
        with running_on(tmp_path, url) as run:
            run.wait_for(["one"])


def test_without_what_it_needs_it_says_what_to_install() -> None:
    script = (
        "import runpy, sys; sys.modules['requests'] = None; "
        "runpy.run_module('server.follow', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "http://h/"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert re.fullmatch(r"follow: .*pip install 'riacho\[notebooks\]'\n", done.stderr)


def test_ctrl_c_ends_it_without_a_traceback(server: Server, tmp_path: Path) -> None:
    with running_on(tmp_path, server.url, "--log", "app.log", "-n", 1) as run:
        run.wait_for(["10:02 INFO three"])
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(PATIENCE) == 130
        assert run.errors.strip() == ""


# --- coming back ----------------------------------------------------------------------


def test_a_killed_server_costs_no_line_and_doubles_none(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("before\n")
    with (
        running(tmp_path, log, "--retry", 20) as server,
        running_on(tmp_path, server.url, "--from-start", "-e", "wanted|before") as run,
    ):
        lines = ["before"]
        run.wait_for(lines)
        for turn in range(2):
            server.kill()
            with log.open("a") as file:
                file.writelines(
                    f"{kind} {turn}.{n}\n" for n in range(99) for kind in ("wanted", "x")
                )
            lines += [f"wanted {turn}.{n}" for n in range(99)]
            wait_until(lambda: "trying again" in run.errors, "that it has noticed")
            server.start()
            run.wait_for(lines)
        again = r"follow: not connected \([^()]+\); trying again\nfollow: connected again\n"
        assert re.fullmatch(f"({again}){{2}}", run.errors), run.errors


def test_a_server_that_ends_is_told_and_waited_for(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    with (
        running(tmp_path, "app.log", "--retry", 20) as server,
        running_on(tmp_path, server.url, "--json") as run,
    ):
        run.wait_for(['{"log": "app.log", "line": "one"}'])
        assert server.end() == 0
        wait_until(lambda: "trying again" in run.errors, "that it has noticed")
        assert run.errors.startswith("follow: the server shuts down\nfollow: not connected (")


def test_a_server_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    port = free_port()
    with running_on(tmp_path, f"http://127.0.0.1:{port}") as run:
        wait_until(lambda: run.errors, "that it has noticed")
        assert run.errors == "follow: not connected (Connection refused); trying again\n"
        with running(tmp_path, "--port", port, "app.log"):
            run.wait_for(["one"])
            assert run.errors.endswith("\nfollow: connected again\n")


def test_who_wants_no_reconnect_gets_none() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    said = "follow: not connected (Connection refused)\n"
    assert follow(url, "--no-reconnect") == Outcome(2, b"", said)

    def end(request: bytes, forward: Forward) -> Pieces:
        yield OPEN + line(b"one")

    with relaying(end) as url:
        said = "follow: not connected (the stream was ended)\n"
        assert follow(url, "--no-reconnect") == Outcome(2, b"one\n", said)
