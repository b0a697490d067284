"""What a command cannot write on stdout is one line on stderr and an exit code, no traceback."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import PATIENCE
from tests.test_cli import full_device, pipe_without_a_reader

NOBODY = "http://127.0.0.1:1/"


@pytest.mark.linux
@pytest.mark.parametrize(
    ("stdout", "why"),
    [(full_device, "No space left on device"), (pipe_without_a_reader, "Broken pipe")],
)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("riacho", ["server", "--help"]),
        ("riacho", ["server", "--version"]),
        ("doctor", ["server.doctor", "--help"]),
        ("doctor", ["server.doctor", NOBODY]),
        ("doctor", ["server.doctor", "--json", NOBODY]),
        ("follow", ["server.follow", "--help"]),
    ],
)
def test_what_cannot_be_written_is_one_line_that_says_why(
    tmp_path: Path, name: str, arguments: list[str], stdout: Callable[[], int], why: str
) -> None:
    descriptor = stdout()
    result = run(tmp_path, [], arguments, descriptor)
    os.close(descriptor)
    assert result.returncode == 2
    assert result.stderr == f"{name}: stdout cannot be written ({why})\n"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["server", "--help"], 0, ""),
        (["server", "--version"], 0, ""),
        (["server.doctor", "--help"], 0, ""),
        (["server.doctor", NOBODY], 2, "doctor: stdout cannot be written .*\n"),
        (["server", "--host", "0.0.0.0", "app.log"], 2, "riacho: stdout .* --token-file\n"),
    ],
)
def test_a_closed_stdout_is_no_traceback(
    tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    """And no token is made that nobody is told."""
    (tmp_path / "app.log").touch()
    result = run(tmp_path, ["sh", "-c", 'exec "$@" >&-', "sh"], arguments, subprocess.DEVNULL)
    assert result.returncode == code
    assert re.fullmatch(told, result.stderr), result.stderr


@pytest.mark.linux
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["server", "--nonsense"], 2), (["server.doctor"], 2), (["server.doctor", "x:"], 2)],
)
@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-"])
def test_an_error_that_cannot_be_written_leaves_its_exit_code(
    tmp_path: Path, arguments: list[str], code: int, stderr: str
) -> None:
    before = ["sh", "-c", f'exec "$@" {stderr}', "sh"]
    assert run(tmp_path, before, arguments, subprocess.PIPE).returncode == code


def run(
    cwd: Path, before: list[str], arguments: list[str], stdout: int
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-m", *arguments],
        cwd=cwd,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
