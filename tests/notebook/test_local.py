"""A server that a notebook starts, and that goes with it."""

import html
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from server.client import follow
from server.errors import StartError
from server.notebook.local import KEPT, LocalServer
from tests.descriptors import held
from tests.running import PATIENCE, is_gone, wait_until


def test_without_a_log_it_streams_the_demo_s_from_a_directory_that_goes_with_it() -> None:
    with LocalServer() as server:
        assert next(iter(follow(f"{server.url}/stream-logs"))).data
        assert server.log.is_file()
        directory = server.directory
        assert server.is_running
    assert not server.is_running
    del server
    assert not directory.exists()


def test_a_log_is_looked_for_where_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.log").write_text("one\n")
    monkeypatch.chdir(tmp_path)
    with LocalServer("app.log") as server:
        assert next(iter(follow(f"{server.url}/stream-logs"))).data == "one"
        assert server.log == tmp_path / "app.log"
    del server
    assert (tmp_path / "app.log").exists()


def test_it_comes_back_on_the_same_port(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    with LocalServer("app.log", "--retry", 10, directory=tmp_path) as server:
        address = server.url
        for end in (server.stop, server.kill):
            end()
            server.start()
            assert server.url == address
            assert next(iter(follow(f"{server.url}/stream-logs"))).data == "one"


def test_it_says_how_to_do_the_same_in_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    with LocalServer("app.log", "--retry", 10, directory=tmp_path) as server:
        assert shlex.split(server.command) == [
            *("python", "-m", "server", "--port", str(server.port), "--retry", "10", "--"),
            str(tmp_path / "app.log"),
        ]
        assert html.escape(server.command) in server._repr_html_()
        assert server.command in repr(server)


def names(server: LocalServer) -> list[str]:
    with urlopen(f"{server.url}/logs", timeout=PATIENCE) as answer:
        return [log["name"] for log in json.load(answer)["logs"]]


def test_it_takes_several_logs_as_the_command_line_does(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("a.log", "b.log", "logs/c.log", "logs/d.log", "e-1.txt"):
        (tmp_path / name).write_text(f"{name}\n")
    given: list[str | Path] = ["a.log", "web=b.log", Path("logs"), "e*.txt"]
    with LocalServer(given, "--retry", 10, directory=tmp_path) as server:
        assert server.log == tmp_path / "a.log"
        assert [str(log.relative_to(tmp_path)) for log in server.logs] == [
            *("a.log", "b.log", "logs", "e*.txt")
        ]
        assert sorted(names(server)) == ["a.log", "c.log", "d.log", "e-1.txt", "web"]
        event = next(iter(follow(f"{server.url}/stream-logs?log=web")))
        assert event.data == "b.log"
        command = shlex.split(server.command)
        assert command[command.index("--") + 2] == f"web={tmp_path / 'b.log'}"


@pytest.mark.parametrize(
    ("variable", "value", "address"),
    [
        ("JUPYTER_RIACHO_PATH", "/x/riacho/", "/x/proxy/PORT"),
        ("JUPYTERHUB_SERVICE_PREFIX", "/user/ana/", "/user/ana/proxy/PORT"),
        ("OTHER", "", "http://127.0.0.1:PORT"),
    ],
)
def test_a_browser_finds_it_through_jupyter_if_it_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, address: str
) -> None:
    for name in ("JUPYTER_RIACHO_PATH", "JUPYTERHUB_SERVICE_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    with LocalServer("app.log", directory=tmp_path) as server:
        assert server.browser_url == address.replace("PORT", str(server.port))
        assert f'href="{server.browser_url}/"' in server._repr_html_()


def test_what_prevents_a_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="is not a regular file: name a file"):
        LocalServer("/dev/null", directory=tmp_path)
    with pytest.raises(StartError, match="two names"):
        LocalServer("a=b=c.log", directory=tmp_path)
    with pytest.raises(StartError, match="its directory does not exist"):
        LocalServer(tmp_path / "missing/app.log")
    with pytest.raises(StartError, match="No such option"):
        LocalServer(None, "--retri", 10)


def ask(url: str, name: str) -> int:
    """Ask for a page under a name that makes a line of 1,000 characters in the server's log."""
    with urlopen(f"{url}/index.html?{name:a<900}", timeout=PATIENCE) as answer:
        return int(answer.status)


def test_the_last_of_its_own_log_is_kept_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    with LocalServer("app.log", directory=tmp_path) as server:
        ask(server.url, "first")
        wait_until(lambda: "first" in server.errors, "the first line")
        for number in range(KEPT // 900):
            ask(server.url, f"more-{number}-")
        ask(server.url, "last")
        wait_until(lambda: "last" in server.errors, "the last line")
        assert "first" not in server.errors
        assert KEPT / 2 < len(server.errors.encode()) <= KEPT
        # not in a file, which would grow
        assert os.readlink(f"/proc/{server.pid}/fd/2").startswith("pipe:")


def test_it_does_not_wait_for_a_notebook_that_is_held_up(tmp_path: Path) -> None:
    script = (
        "import time; from server.notebook.local import LocalServer; server = LocalServer();"
        "print(server.url, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        url = parent.stdout.readline().strip()
        parent.send_signal(signal.SIGSTOP)
        for number in range(200):  # more than the pipe holds
            assert ask(url, f"more-{number}-") == 200
        parent.kill()


def test_nothing_is_left_of_one_that_has_ended(tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    threads, before = threading.active_count(), held()
    for _ in range(3):
        LocalServer("app.log", directory=tmp_path).stop()
        with pytest.raises(FileNotFoundError):
            LocalServer("app.log", directory=tmp_path / "missing")
    wait_until(lambda: threading.active_count() <= threads, "the threads' end")
    wait_until(lambda: not held() - before, "the descriptors' end")


def test_it_ends_when_nobody_holds_it_any_more() -> None:
    server = LocalServer()
    process = psutil.Process(server.pid)
    del server
    assert is_gone(process)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(tmp_path: Path, number: int) -> None:
    script = (
        "import signal, time; from server.notebook.local import LocalServer;"
        # a shell has what it starts in the background ignore it
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "server = LocalServer(); print(server.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout
        server = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, number)
        parent.wait(PATIENCE)
        wait_until(lambda: is_gone(server), "the server's end")
