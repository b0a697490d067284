"""Standard input as a source: a pipe, a file, a terminal, nothing."""

import asyncio
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from server.sources.stdin import StdinSource, what_is_wrong
from tests.running import wait_until
from tests.sources.hosting import hosting, run, spooled, until


def test_a_pipe_is_spooled_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "stdin" / "stdin.log"
    with hosting("stdin", tmp_path, stdin=subprocess.PIPE) as host:
        host.wait_for("up")
        assert host.process.stdin
        host.process.stdin.write("one\ntwo\nthr")
        host.process.stdin.flush()
        wait_until(lambda: path.read_bytes() == b"one\ntwo\n", "whole lines are there")
        host.process.stdin.close()
        assert host.wait_for("source-ended") == {"why": "has come to its end"}
        assert path.read_bytes() == b"one\ntwo\nthr\n"
        assert not host.told.all("problem")
    assert path.read_bytes() == b"one\ntwo\nthr\n"


def test_when_it_is_told_to_stop_it_keeps_what_it_has(tmp_path: Path) -> None:
    with hosting("stdin", tmp_path, stdin=subprocess.PIPE) as host:
        assert host.process.stdin
        host.wait_for("up")
        host.process.stdin.write("one\ntw")
        host.process.stdin.flush()
        wait_until(lambda: (tmp_path / "stdin" / "stdin.log").read_bytes(), "it is read")
        host.end()
        host.process.stdin.close()
    assert (tmp_path / "stdin" / "stdin.log").read_bytes() == b"one\ntw\n"


def test_a_file_is_spooled(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("".join(f"{number}\n" for number in range(300_000)))
    with file.open() as stdin, hosting("stdin", tmp_path, stdin=stdin) as host:
        host.wait_for("source-ended")
    assert spooled(tmp_path / "stdin" / "stdin.log") == file.read_bytes()


def test_a_terminal_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "stdin" / "stdin.log"
    mine, theirs = pty.openpty()
    with hosting("stdin", tmp_path, stdin=theirs) as host:
        os.close(theirs)
        host.wait_for("up")
        os.write(mine, b"typed\n")
        wait_until(lambda: path.read_bytes() == b"typed\n", "a line is there")
        os.write(mine, b"\x04")  # Ctrl+D
        host.wait_for("source-ended")
        os.close(mine)
    assert path.read_bytes() == b"typed\n"


@pytest.mark.parametrize(
    ("stdin", "before", "why"),
    [
        (subprocess.DEVNULL, [], "is /dev/null: pipe a program into the server"),
        (subprocess.DEVNULL, ["sh", "-c", 'exec "$@" <&-', "sh"], "is closed: pipe a program"),
    ],
)
def test_without_one_it_says_so(tmp_path: Path, stdin: Any, before: list[str], why: str) -> None:
    with hosting("stdin", tmp_path, stdin=stdin, before=before) as host:
        assert why in str(host.wait_for("source-ended")["why"])
        assert why in str(host.wait_for("up")["problem"])


def test_a_descriptor_that_is_closed_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    assert what_is_wrong(reader) == ""
    os.close(reader)
    assert what_is_wrong(reader).startswith("is closed")


def test_it_can_be_run_again(tmp_path: Path) -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        source = StdinSource(tmp_path, name="mine", descriptor=reader)
        async with run(source):
            os.write(writer, b"one\n")
            await until(lambda: source.path.read_bytes() == b"one\n", "it is there")
        async with run(source) as told:
            os.write(writer, b"two\n")
            await until(lambda: source.path.read_bytes() == b"one\ntwo\n", "it is there")
            os.close(writer)
            await until(lambda: told.all("source-ended"), "it has ended")
        os.close(reader)

    asyncio.run(main())
