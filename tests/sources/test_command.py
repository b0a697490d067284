"""Commands as sources, with real programs."""

import asyncio
import os
import re
import shlex
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from server.errors import StartError
from server.sources.command import Command, CommandSource, parse_commands
from server.sources.intake import BLOCK, PIPE
from server.sources.spool import LEAST_SIZE
from tests.running import on_small_disk, wait_until
from tests.sources.hosting import Told, at_once, hosting, run, spooled, until

FOREVER = "exec sleep 1000"

LOGGING = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(message)s", stream=sys.stdout)
for number in range(1000):
    logging.info("line %d", number)
logging.getLogger().handlers[0].setStream(sys.stderr)
logging.error("it\\nfails")
"""

NODE = "for (let i = 0; i < 1000; i++) console.log('line', i); console.error('a\\nb')"

WRITER = """
import itertools, os, sys
said = os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY)
for number in itertools.count(int(sys.argv[1])):
    os.write(1, b"%d\\n" % number)
    os.pwrite(said, b"%d" % number, 0)
"""
"""Writes numbers, and in a file which was the last."""

KUBECTL = """
for number in 1 2 3; do
  [ "$RIACHO_SINCE" != 1970-01-01T00:00:00Z ] || echo "line $number"
done
echo "since $RIACHO_SINCE"
"""
"""Says again on each start what it has said, unless it is told since when to speak."""


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("web=kubectl logs -f web", Command("web", "kubectl logs -f web")),
        (" web = a=b c ", Command("web", "a=b c")),
        ("web=a\nb", Command("web", "a\nb")),
    ],
)
def test_parse(text: str, command: Command) -> None:
    assert Command.parse(text) == command


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["kubectl logs"], "has no name: write NAME=kubectl logs"),
        (["=ls"], "empty"),
        (["a/b=ls"], "slash"),
        (["a\tb=ls"], "control"),
        (["web="], "has no command: write web=COMMAND"),
        (["web=  "], "has no command"),
        (["web=a\0b"], "NUL"),
        (["web=ls", "app=ls", "web=id"], "two commands are called web"),
    ],
)
def test_what_cannot_be_parsed(texts: list[str], why: str) -> None:
    with pytest.raises(StartError, match=why) as caught:
        parse_commands(tuple(texts))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ([sys.executable, "-c", LOGGING], "INFO line {}"),
        (["node", "-e", NODE], "line {}"),
        (["sh", "-c", "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done"], "line {}"),
    ],
)
def test_lines_of_real_programs(tmp_path: Path, program: list[str], text: str) -> None:
    source = CommandSource(Command("app", shlex.join(program)), tmp_path, delay=lambda *_: 1000.0)

    async def main() -> Told:
        async with run(source) as told:
            await until(lambda: told.all("source-ended"), "it has ended")
            assert "exit code 0" in source.problem
        return told

    told = asyncio.run(main())
    lines = source.path.read_text().splitlines()
    assert [line for line in lines if not line.startswith("stderr: ")] == [
        text.format(number) for number in range(1000)
    ]
    marked = [line for line in lines if line.startswith("stderr: ")]
    assert len(marked) == (0 if program[0] == "sh" else 2)
    assert told.events == [
        ("source-started", {"restarts": 0}),
        ("source-ended", {"why": "has ended with exit code 0", "code": 0, "again_in": 1000.0}),
    ]


@pytest.mark.parametrize(
    ("line", "details", "said"),
    [
        ("exit 3", {"code": 3}, b""),
        ("kill -KILL $$", {"signal": "SIGKILL"}, b"stderr: Killed\n"),
        ("nosuchcommand", {"code": 127}, b"stderr: /bin/sh: 1: nosuchcommand: not found\n"),
        ("/etc/passwd", {"code": 126}, b"stderr: /bin/sh: 1: /etc/passwd: Permission denied\n"),
        ("printf unfinished", {"code": 0}, b"unfinished\n"),
        ("cat", {"code": 0}, b""),
    ],
)
def test_how_it_ends(tmp_path: Path, line: str, details: dict[str, object], said: bytes) -> None:
    source = CommandSource(Command("app", line), tmp_path, delay=lambda *_: 1000.0)

    async def main() -> Told:
        async with run(source) as told:
            await until(lambda: told.all("source-ended"), "it has ended")
            assert "it is started again in 1000 s" in source.problem
        return told

    [end] = asyncio.run(main()).all("source-ended")
    assert {name: end[name] for name in details} == details
    assert source.path.read_bytes() == said


def test_it_is_told_since_when_to_speak(tmp_path: Path) -> None:
    source = CommandSource(Command("app", KUBECTL), tmp_path, delay=at_once)

    async def main() -> None:
        async with run(source) as told:
            await until(lambda: len(told.all("source-ended")) >= 3, "it has run three times")

    asyncio.run(main())
    lines = source.path.read_text().splitlines()
    assert lines[:4] == ["line 1", "line 2", "line 3", "since 1970-01-01T00:00:00Z"]
    assert all(re.fullmatch(r"since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", line) for line in lines[4:])
    assert len(lines) >= 6


def test_a_command_without_end_or_newline_fills_no_more_than_the_spool(tmp_path: Path) -> None:
    source = CommandSource(
        Command("app", "yes | tr -d '\\n' | head -c 100M; echo; echo end"),
        tmp_path,
        LEAST_SIZE,
        delay=lambda *_: 1000.0,
    )

    async def main() -> None:
        async with run(source) as told:
            await until(lambda: told.all("source-ended"), "it has ended")

    asyncio.run(main())
    data = spooled(source.path)
    assert LEAST_SIZE * 0.5 < len(data) <= LEAST_SIZE
    assert data.endswith(b"y\nend\n")
    assert max(map(len, data.split(b"\n"))) <= 1024 * 1024


def numbers(state: Path) -> list[int]:
    """The lines that are numbers."""
    data = spooled(state / "app" / "app.log")
    return [int(line) for line in data.splitlines() if line.isdigit()]


@pytest.mark.linux
def test_after_a_kill_it_goes_on_with_the_same_spool(tmp_path: Path) -> None:
    """What the command had written before is there, less what was in the pipe."""
    path = tmp_path / "app" / "app.log"
    written = []

    def has_passed(number: int) -> bool:
        return numbers(tmp_path)[-1:] > [number]

    for turn in range(1, 4):
        said = tmp_path / f"said-{turn}"
        writer = shlex.join([sys.executable, "-c", WRITER, str(turn * 10**9), str(said)])
        with hosting("command", tmp_path, f"app={writer}") as host:
            host.wait_for("source-started")
            wait_until(partial(has_passed, turn * 10**9 + 5000), "it writes")
            host.kill()
        wait_until(lambda: not host.everyone(), "nothing is left")
        written.append(int(said.read_bytes()))
    assert path.read_bytes().endswith(b"\n")
    found = numbers(tmp_path)
    assert found == sorted(set(found))
    for turn, last in enumerate(written, 1):
        mine = [number for number in found if number // 10**9 == turn]
        assert mine == list(range(turn * 10**9, mine[-1] + 1))
        assert (last - mine[-1]) * 11 <= PIPE + BLOCK


@pytest.mark.linux
@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("lines", [10_000, 400_000])
def test_on_a_full_disk_it_holds_what_it_can_and_tells_what_is_lost(
    tmp_path: Path, lines: int
) -> None:
    """16 MiB are held: 1 MB is, 40 MB are not."""
    disk, go, done = tmp_path / "disk", tmp_path / "go", tmp_path / "done"
    disk.mkdir()
    os.mkfifo(go)
    script = f"echo ready; cat {go}; seq -f %099.0f 1 {lines}; touch {done}; {FOREVER}"
    with hosting("command", disk, f"app={script}", before=on_small_disk(disk, "64m")) as host:
        host.wait_for("source-started")
        inside = Path(f"/proc/{host.process.pid}/root{disk}")
        path = inside / "app" / "app.log"
        wait_until(lambda: path.read_bytes() == b"ready\n", "it is ready")
        filler = inside / "filler"
        fill(filler)
        go.write_text("")
        wait_until(done.exists, "a full disk does not hold up the program")
        wait_until(lambda: host.told.all("problem"), "there is a problem")
        assert "No space left on device" in str(host.told.all("problem")[-1])
        filler.unlink()
        wait_until(lambda: host.told.all("problem")[-1] == {"problem": ""}, "it is well again")
        lost = host.wait_for("source-lost")["lines"] if lines > 160_000 else 0
        assert isinstance(lost, int)
        wait_until(lambda: len(numbers(inside)) >= lines - lost, "all but that is written")
        found = numbers(inside)
        assert found == sorted(set(found))
        assert len(found) == lines - lost >= min(lines, 160_000)
        for event in host.told.all("source-lost"):
            assert event["bytes"] == 100 * lost
            assert "No space left on device" in str(event["why"])


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 65536):
            pass
