"""The command line: what is wrong is one line on stderr that names it and the remedy."""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from server.settings import Settings
from tests.proxies import free_port
from tests.running import PATIENCE, Server, following, running, wait_until

ROOT = Path(__file__).parent.parent


def start(cwd: Path, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def assert_refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result
    assert result.stdout == ""
    assert re.fullmatch(r"riacho: .+\n", result.stderr), result.stderr
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "x"], ["--port", "'x'"]),
        (["--port", "65536"], ["--port", "65536", "65535"]),
        (["--keep-alive", "nan"], ["--keep-alive", "nan"]),
        (["--keep-alive", "0"], ["--keep-alive", "0.1"]),
        (["--writer-interval", "inf"], ["--writer-interval", "inf"]),
        (["--retry", "-1"], ["--retry", "-1"]),
        (["--max-line", "10"], ["--max-line", "8192"]),
        (["--prot", "1"], ["--prot", "--help"]),
        (["x=one.log", "x=two.log"], ["x=two.log and x=one.log have one name"]),
        (["--host", "no such host"], ["no such host", "--host"]),
        (["--host", "a..b"], ["a..b", "no name of a host", "--host"]),
        (["--host", "a" * 70], ["aaa", "no name of a host", "--host"]),
        (["--host", os.fsdecode(b"\xff")], [r"\xff", "no name of a host", "--host"]),
        (["--host", "two\nlines"], [r"two\nlines", "--host"]),
        (["--pid", "99999999999999"], ["--pid", "99999999999999"]),
        (["--config", "none.toml"], ["none.toml"]),
        (["x=directory"], ["x=directory", "many logs"]),
        (["--log-writer", "directory"], ["--log-writer", "a file"]),
        (["fifo"], ["fifo", "not a regular file"]),
        (["/dev/zero"], ["/dev/zero", "not a regular file"]),
        (["missing/app.log"], ["missing", "does not exist"]),
        (["memory"], ["memory", "cannot be read (Input/output error)"]),
        (["--certfile", "fifo"], ["--certfile fifo", "no regular file"]),
        (["--certfile", "directory"], ["--certfile directory", "no regular file"]),
        (["--token-file", "directory"], ["--token-file directory", "Is a directory"]),
        (["--token-file", "/dev/zero"], ["--token-file /dev/zero", "more than"]),
        (["--config", "/dev/zero"], ["/dev/zero", "more than"]),
        (["loop"], ["loop", "Too many levels of symbolic links"]),
        (["a" * 300], ["aaa", "File name too long"]),
        (["-", "x=-"], ["standard input", "once only"]),
        (["x=*.log"], ["x=*.log", "many logs"]),
        (["%Q.log"], ["%Q.log"]),
        (["--command", "x"], ["x", "NAME="]),
        (["--log-writer", "fifo"], ["fifo", "not a regular file"]),
    ],
)
def test_a_bad_argument_is_named(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "memory").symlink_to("/proc/self/mem")
    assert_refused(start(tmp_path, *arguments), *words)


@pytest.mark.linux
@pytest.mark.parametrize("is_link", [False, True])
@pytest.mark.parametrize(
    "redirection",
    [
        "/dev/stdin < <(cat)",
        "/dev/fd/0 < <(cat)",
        "/proc/self/fd/0 < <(cat)",
        "/dev/fd/7 7< <(cat)",  # as a shell names `<(cat)`
        "/dev/stdin < /dev/zero",
    ],
)
def test_a_stream_of_a_shell_is_refused_as_a_log_and_so_is_a_link_to_it(
    tmp_path: Path, redirection: str, is_link: bool
) -> None:
    log, _, rest = redirection.partition(" ")
    if is_link:
        (tmp_path / "app.log").symlink_to(log)
        log = "app.log"
    command = f'exec "$0" -m server --port 0 {log} {rest}'
    result = subprocess.run(
        ["bash", "-c", command, sys.executable],
        cwd=tmp_path,
        env={**os.environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert_refused(result, log, "is not a regular file")


@pytest.mark.linux
@pytest.mark.parametrize("place", ["file", "directory"])
def test_an_unreadable_log_is_named(tmp_path: Path, place: str) -> None:
    log = tmp_path / "private" / "app.log"
    log.parent.mkdir()
    log.touch(0o000 if place == "file" else 0o644)
    log.parent.chmod(0o755 if place == "file" else 0o000)
    command = [sys.executable, "-m", "server", str(log)]
    if os.geteuid() == 0:  # root reads everything, unless it lacks the capabilities
        drop = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}", *command]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, check=False
    )
    log.parent.chmod(0o755)
    assert_refused(result, "app.log", "read permission")


@pytest.mark.linux
@pytest.mark.usefixtures("namespaces")
def test_a_server_starts_and_streams_without_proc(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    hide = 'mount -t tmpfs none /proc && exec "$@"'
    before = ["unshare", "--map-root-user", "--mount", "sh", "-c", hide, "sh"]
    with running(tmp_path, "app.log", before=before) as server, following(server) as client:
        assert not Path(f"/proc/{server.process.pid}/root/proc/self").exists()
        assert client.wait_for(1) == ["one"]
        with (tmp_path / "app.log").open("a") as file:
            file.write("two\n")
        assert client.wait_for(2) == ["one", "two"]
        assert server.get("/healthz")[0] == server.get("/metrics")[0] == 200
        assert server.errors().count("Traceback") == 0


def test_no_process_to_be_had_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    # in a process that may not start another one
    script = (
        "import errno, os, sys\n"
        "def fork(): raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))\n"
        "os.fork = fork\n"
        "from server.cli import main; sys.argv[1:] = ['app.log']; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert_refused(result, "tail cannot be started", "Resource temporarily unavailable")


def test_a_missing_temporary_directory_is_named(tmp_path: Path) -> None:
    # in a process to which no directory can be written
    script = (
        "import errno, os, sys\n"
        "open = os.open\n"
        "def open_what_is_there(path, flags, *mode, **options):\n"
        "    if flags & os.O_CREAT: raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)\n"
        "    return open(path, flags, *mode, **options)\n"
        "os.open = open_what_is_there\n"
        "from server.cli import main; sys.argv[1:] = ['app.log']; main()"
    )
    (tmp_path / "app.log").touch()
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert_refused(result, "temporary files", "TMPDIR")


def test_a_bad_environment_variable_is_named(tmp_path: Path) -> None:
    assert_refused(start(tmp_path, RIACHO_PORT="abc"), "RIACHO_PORT", "'abc'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 'x'", ["port", "'x'"]),
        ("prot = 1", ["riacho.toml", "'prot'"]),
        ("port = [1]", ["riacho.toml", "port = [1]", "a whole number"]),
        ("port = true", ["port = True", "a whole number"]),
        ("backlog = 1.5", ["backlog = 1.5", "a whole number"]),
        ("memory = inf", ["memory = inf", "a whole number"]),
        ("keep-alive = {a = 1}", ["keep-alive", "a number"]),
        ("keep-alive = 2026-01-01", ["keep-alive", "a number"]),
        ("log-writer = 'yes'", ["log-writer = 'yes'", "true or false"]),
        ("certfile = 1", ["certfile = 1", "a text"]),
        ("log = 5", ["log = 5", "a text"]),
        ("log = ['a', 5]", ["log = ['a', 5]", "a list of texts"]),
        ("log = 'a'\nlogs = ['b']", ["'logs'", "twice"]),
        ("command = 'x=ls'", ["command = 'x=ls'", "a list of texts"]),
        ("token = ['abc']", ["token", "a text"]),
        ("prefix = 3", ["prefix = 3", "a text"]),
        ("allow-origin = 'null'", ["allow-origin = 'null'", "a list of texts"]),
        ("allow-host = [1]", ["allow-host = [1]", "a list of texts"]),
        ("log-writer = true\nlog_writer = false", ["'log_writer'", "twice"]),
        ("port = ", ["riacho.toml"]),
        (f"port = {'9' * 5000}", ["riacho.toml", "too many digits"]),
        (f"port = 0x{'f' * 5000}", ["port", "a whole number"]),
        (f"keep-alive = 0x{'f' * 5000}", ["keep-alive", "a number"]),
        (f"port = {'[' * 3000}{']' * 3000}", ["riacho.toml", "nested too deeply"]),
        (f"port = {'[' * 200}{']' * 200}", ["port = [[[", "...: give a whole number"]),
        (r'log = "a\u0000b"', [r"log = 'a\x00b'", "without NUL"]),
        (r'certfile = "a\u0000b"', ["certfile", "without NUL"]),
        (r'token-file = "a\u0000b"', ["token-file", "without NUL"]),
        (r'host = "a\u0000b"', ["host", "without NUL"]),
        (r'allow-host = ["a\u0000b"]', [r"'a\x00b'", "no host name"]),
        (r'log = "two\nlines/app.log"', [r"two\nlines", "does not exist"]),
        ("host = 'é..b'", ["é..b", "no name of a host", "--host"]),
        ("log = 'Ã\xff'".encode("latin-1"), ["riacho.toml", "utf-8"]),
    ],
)
def test_a_bad_configuration_file_is_named(
    tmp_path: Path, text: str | bytes, words: list[str]
) -> None:
    (tmp_path / "riacho.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    assert_refused(start(tmp_path, "--config", "riacho.toml"), *words)


@pytest.mark.linux
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["app.log"], ["app.log: the working directory cannot be found", "whole path"]),
        ([], ["logs/log_gerado.log: the working directory cannot be found"]),
        (["--config", "riacho.toml"], ["riacho.toml", "No such file"]),
        (["--token-file", "token", "app.log"], ["--token-file token", "No such file"]),
    ],
)
def test_a_working_directory_that_is_gone_is_named(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    result = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", sys.executable, "-m", "server", *arguments],
        cwd=tempfile.mkdtemp(dir=tmp_path),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert_refused(result, *words)


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "app.log").touch()
        assert_refused(start(tmp_path, "app.log", "--port", port), str(port), "in use", "--port")


def test_a_missing_gnu_tail_is_named(tmp_path: Path) -> None:
    (tmp_path / "tail").write_text("#!/bin/sh\necho BusyBox\n")
    (tmp_path / "tail").chmod(0o755)
    assert_refused(start(tmp_path, "app.log", PATH=str(tmp_path)), "GNU tail", "coreutils")


def test_a_demo_that_cannot_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    assert_refused(start(tmp_path), "logs/log_gerado.log", "cannot write")


def test_an_option_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "riacho.toml").write_text("retry = 1\nkeep-alive = 2\nbacklog = 3\n")
    env = {"RIACHO_CONFIG": "riacho.toml", "RIACHO_RETRY": "4", "RIACHO_KEEP_ALIVE": "5"}
    (tmp_path / "app.log").write_text("a\nb\nc\nd\ne\n")
    with running(tmp_path, "app.log", "--retry", "6", env=env) as server, following(server) as one:
        assert one.wait_for(3) == ["c", "d", "e"]
        assert one.parser.retry == 6


@pytest.mark.parametrize(
    ("text", "names"),
    [("log = 'a.log'", ["a.log"]), ("log = ['x=a.log', 'b.log']", ["x", "b.log"])],
)
def test_logs_may_stand_in_the_file_and_arguments_win_over_them(
    tmp_path: Path, text: str, names: list[str]
) -> None:
    (tmp_path / "riacho.toml").write_text(text)
    for arguments, expected in ((["c.log"], ["c.log"]), ([], names)):
        with running(tmp_path, "--config", "riacho.toml", *arguments) as server:
            assert [log["name"] for log in server.json("/logs")["logs"]] == expected


@pytest.mark.parametrize("given", [["directory"], ["directory/*.log"], ["directory/a.log", "x="]])
def test_many_logs_are_served_each_under_its_name(tmp_path: Path, given: list[str]) -> None:
    (tmp_path / "directory").mkdir()
    for name in ("a.log", "b.log"):
        (tmp_path / "directory" / name).write_text(f"in {name}\n")
    arguments = [one + "directory/b.log" if one == "x=" else one for one in given]
    second = "x" if "x=" in given else "b.log"
    with running(tmp_path, *arguments) as server:
        assert server.output[0] == f"Riacho streams {', '.join(arguments)}\n"
        assert [log["name"] for log in server.json("/logs")["logs"]] == ["a.log", second]
        for name, line in (("a.log", "in a.log"), (second, "in b.log")):
            with following(server, f"/stream-logs?log={name}") as client:
                assert client.wait_for(1) == [line]
        assert server.get("/stream-logs")[0] == 400


def test_the_demo_s_writer_writes_the_file_that_is_named(tmp_path: Path) -> None:
    arguments = ["--log-writer", "--writer-interval", "0.01", "x=app.log"]
    with running(tmp_path, *arguments) as server, following(server, "/stream-logs?log=x") as one:
        lines = one.wait_for(3)
        assert (tmp_path / "app.log").read_text().splitlines()[:3] == lines[:3]


def test_a_command_s_lines_are_a_log(tmp_path: Path) -> None:
    arguments = ["--command", "x=echo one; sleep 600", "--state-dir", "state"]
    with running(tmp_path, *arguments) as server:
        with following(server, "/stream-logs?from=start") as client:
            assert client.wait_for(1) == ["one"]
        assert server.output[0] == "Riacho streams x\n"
        assert [log["name"] for log in server.json("/logs")["logs"]] == ["x"]
        assert server.json("/healthz")["log"] == "x"


def test_every_setting_is_an_option_that_help_and_readme_explain(tmp_path: Path) -> None:
    text = " ".join(start(tmp_path, "--help", COLUMNS="200").stdout.split())
    readme = (ROOT / "README.md").read_text()
    for field in dataclasses.fields(Settings):
        if field.metadata:
            option = "--" + field.name.replace("_", "-")
            assert option in text
            assert f"RIACHO_{field.name.upper()}" in text
            assert field.metadata["help"] in text
            assert f"`{option}" in readme, f"README.md does not explain {option}"


@contextmanager
def heard_by(stdout: int, cwd: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A server whose stdout is the given one, on a port that it is free to choose."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--port", "0", *arguments],
        cwd=cwd,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(stdout)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def full_device() -> int:
    return os.open("/dev/full", os.O_WRONLY)


BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}
"""An environment in which something may be left in a buffer at the end."""


def pipe_without_a_reader() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.linux
@pytest.mark.parametrize("stdout", [full_device, pipe_without_a_reader])
def test_a_server_runs_though_nobody_can_be_told_its_address(
    tmp_path: Path, stdout: Callable[[], int]
) -> None:
    """A service is there for its clients: who started it finds the address in its own log."""
    (tmp_path / "app.log").touch()
    with heard_by(stdout(), tmp_path, "app.log") as process:
        assert process.stderr
        line = process.stderr.readline()
        assert "stdout cannot be written" in line
        url = line.split()[-1]
        with urllib.request.urlopen(f"{url}/healthz", timeout=PATIENCE) as answer:
            assert answer.status == 200
        process.terminate()
        assert "Traceback" not in process.stderr.read()
        assert process.wait(PATIENCE) == 0


@pytest.mark.linux
def test_a_refusal_that_nobody_can_read_is_told_by_the_exit_code(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "server", "--port", "x"]
        result = subprocess.run(
            command, cwd=tmp_path, stderr=full, timeout=PATIENCE, check=False, env=BUFFERED
        )
    assert result.returncode == 2


@pytest.mark.linux
def test_a_server_that_can_write_nothing_ends_well(tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    port = free_port()

    def is_up() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE):
                return True
        except OSError:
            return False

    command = [sys.executable, "-m", "server", "--port", str(port), "app.log"]
    with (
        open("/dev/full", "w") as full,
        subprocess.Popen(command, cwd=tmp_path, stdout=full, stderr=full, env=BUFFERED) as process,
    ):
        try:
            wait_until(is_up, "the server is up")
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


@pytest.mark.linux
def test_a_token_that_nobody_can_be_told_prevents_the_start(tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    with heard_by(full_device(), tmp_path, "app.log", "--host", "0.0.0.0") as process:
        assert process.stderr
        assert re.fullmatch("riacho: stdout .* --token-file\n", process.stderr.read())
        assert process.wait(PATIENCE) == 2


@pytest.mark.linux
@pytest.mark.parametrize(
    ("name", "called"),
    [
        (b"b\xff.log", "b_.log"),
        (b"b\xff/app.log", "app.log"),
        ("é.log".encode(), "é.log"),
        (b"two\nlines", "two_lines"),
    ],
)
@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C.UTF-8"},
        {"PYTHONIOENCODING": "utf-8"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_a_log_may_have_any_name(
    tmp_path: Path, name: bytes, called: str, env: dict[str, str]
) -> None:
    """In addresses it is called by what of that can be printed."""
    log = tmp_path / os.fsdecode(name)
    log.parent.mkdir(exist_ok=True)
    log.write_text("one\n")
    with running(tmp_path, log, env=env) as server, following(server) as client:
        server.tail()
        with log.open("a") as file:
            file.write("two\n")
        assert client.wait_for(2) == ["one", "two"]
        assert server.output[0].startswith("Riacho streams ")
        assert server.json("/logs")["logs"][0]["name"] == called
        assert server.status(f"/logs/{quote(called)}") == 200
        assert server.get("/healthz")[0] == server.get("/metrics")[0] == 200
        assert "WARNING" not in server.errors()


def test_names_are_announced_in_a_form_that_can_be_read(tmp_path: Path) -> None:
    log = tmp_path / os.fsdecode(b"b\xff.log")
    log.touch()
    with running(tmp_path, log, env={"PYTHONIOENCODING": "utf-8"}) as server:
        assert server.output[0] == rf"Riacho streams {tmp_path}/b\xff.log" + "\n"


def test_a_log_that_is_waited_for_is_announced_as_such(tmp_path: Path) -> None:
    (tmp_path / "there.log").touch()
    (tmp_path / "link.log").symlink_to("none.log")
    for name, announcement in (
        ("there.log", "streams {}"),
        ("none.log", "waits for {}, which does not exist yet"),
        ("link.log", "waits for {}, which does not exist yet"),
    ):
        with running(tmp_path, tmp_path / name) as server:
            assert server.output[0] == f"Riacho {announcement}\n".format(tmp_path / name)


@pytest.mark.linux
def test_a_token_and_a_configuration_may_come_through_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    inputs = '"$@" --token-file <(echo sesame) --config <(echo prefix = \\"/one\\")'
    with running(tmp_path, "app.log", before=["bash", "-c", inputs, "bash"]) as server:
        assert server.url.endswith("/one")
        assert server.status("/one/logs") == 401
        assert server.status("/one/logs", Authorization="Bearer sesame") == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_on_a_signal(tmp_path: Path, number: int) -> None:
    server = Server(tmp_path)
    assert any(f"{server.url}/stream-logs" in line for line in server.output)
    assert server.end(number) == 0
    assert "Traceback" not in server.errors()


def test_the_console_script_is_the_same_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("riacho")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == start(tmp_path, "--version").stdout
