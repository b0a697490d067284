"""Of lines that are gone or cannot be read clients are told with a gap, and get all others."""

import json
import os
import random
import re
import shutil

import pytest

from tests.logs.befallen import check, down
from tests.rotations import PACK, Log, numbered, packed
from tests.running import following, running, wait_until

pytestmark = pytest.mark.long


@pytest.mark.usefixtures("no_superuser")
@pytest.mark.parametrize("pack", [False, True])
def test_a_rotated_file_that_may_not_be_read_is_a_gap(log: Log, pack: bool) -> None:
    """Whether that was so when the server started or not."""
    log.write()
    for _ in range(3):
        (packed(".gz") if pack else numbered)(log)
        log.write()
    rotated = sorted(log.path.parent.glob("app.log.*"))
    rotated[2].chmod(0)
    with running(log.path.parent, log.path) as server:
        with following(server, "/stream-logs?from=start") as client:
            assert client.wait_for(9) == log.lines[3:]
        rotated[1].chmod(0)
        with following(server, "/stream-logs?from=start") as other:
            other.wait_for(6)
            assert other.lines == log.lines[6:]
        rotated[2].chmod(0o644)
        with following(server, "/stream-logs?from=start") as last:
            assert last.wait_for(9) == log.lines[:3] + log.lines[6:]
    for one, file in ((client, rotated[2]), (other, rotated[1]), (last, rotated[1])):
        [gap] = one.facts("gap")
        assert gap["why"] == f"{file.name} cannot be read: Permission denied"


def test_a_client_is_told_what_was_deleted_while_it_was_away(log: Log) -> None:
    log.write()
    with running(log.path.parent, log.path) as server:
        with following(server, "/stream-logs?from=start") as client:
            check(log, client)
        for _ in range(3):
            numbered(log)
            log.write()
        with down(server):
            log.beside(".3").unlink()
        oldest = log.lines[3:]
        with following(server, last_event_id=client.last_event_id, reconnect=False) as late:
            assert late.wait_for(len(oldest)) == oldest
        gap, first = late.events[:2]
        assert gap.type == "gap"
        assert json.loads(gap.data) == {
            "from": client.last_event_id,
            "to": gap.id,
            "bytes": None,
            "why": "not in the log",
        }
        assert first.data == oldest[0]
        with following(server, last_event_id=gap.id) as again:
            assert again.wait_for(len(oldest)) == oldest
            assert again.facts("gap") == []


def test_a_client_that_stalled_is_told_what_was_rotated_away_meanwhile(log: Log) -> None:
    cwd = log.path.parent
    with (
        running(cwd, log.path, "--memory", 1024 * 1024) as server,
        following(server, "/stream-logs?from=start") as stalled,
        following(server) as quick,
    ):
        stalled.stall()
        log.append(*(f"{number:01000}" for number in range(30_000)))
        check(log, quick)
        for _ in range(20):  # more files than are kept open
            numbered(log)
            log.write(1)
            check(log, quick)
        for path in cwd.glob("app.log.*"):
            path.unlink()
        stalled.go_on()
        wait_until(lambda: stalled.lines[-1:] == log.lines[-1:], "the live end")
        read = len(stalled.lines) - 20  # the last ones are still in memory
        assert stalled.lines == log.lines[:read] + log.lines[30_000:]
        [gap] = stalled.facts("gap")
        assert gap["bytes"] == 1001 * (30_000 - read)
        assert gap["why"] == "no longer on disk"


@pytest.mark.parametrize("pack", [False, True])
def test_a_client_in_a_copy_is_told_what_was_destroyed_after_it(log: Log, pack: bool) -> None:
    def write() -> list[str]:
        first = len(log.lines)
        log.append(*(f"{number:0100}" for number in range(first, first + 15_000)))
        return log.lines[first:]

    with (
        running(log.path.parent, log.path, "--memory", 1024 * 1024) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        copied = write()
        check(log, client)
        shutil.copyfile(log.path, log.shift())
        log.write(1)
        uncopied = log.lines[-1]
        check(log, client)
        os.truncate(log.path, 0)
        destroyed = write()
        check(log, client)
        if pack:
            log.pack(log.beside(".1"))
        os.truncate(log.path, 0)
        last = write()
        check(log, client)
        with following(server, last_event_id=client.events[10].id) as late:
            log.write(1)
            wait_until(lambda: late.lines[-1:] == log.lines[-1:], "the live end")
            first, second = late.facts("gap")
            assert first["bytes"] == len(uncopied) + 1
            # What was read back for another client may still be there.
            kept = len(destroyed) - second["bytes"] // 101
            assert 0 <= kept < len(destroyed)
            assert late.lines == [*copied[11:], *destroyed[:kept], *last, log.lines[-1]]


@pytest.mark.parametrize("id", ["3e8-1-1", "no id at all", "é", "0-0-0-0", "7" * 5000])
def test_an_id_of_another_log_is_answered_with_a_gap(log: Log, id: str) -> None:
    log.write()
    numbered(log)
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, last_event_id=id.encode().decode("latin-1")) as client,
    ):
        assert client.wait_for(6) == log.lines
        assert client.facts("gap")[0]["from"] == id


@pytest.mark.parametrize("suffix", PACK)
def test_a_rotated_file_that_is_garbage_harms_nothing_else(log: Log, suffix: str) -> None:
    log.beside(".3").write_bytes(b"")
    log.beside(f".2{suffix}").write_bytes(b"")
    log.beside(f".1{suffix}").write_bytes(random.Random(1).randbytes(5000))
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
        following(server, last_event_id="3e8-1-1") as stranger,
    ):
        packed(suffix)(log)
        log.write()
        assert client.wait_for(6) == log.lines
        [gap] = client.facts("gap")
        # the name that it had when it was read, before or after the rotation
        assert re.match(rf"app\.log\.[12]\{suffix} is damaged", gap["why"])
        assert stranger.wait_for(6) == log.lines


def test_what_cannot_be_unpacked_here_harms_nothing_else(log: Log) -> None:
    (log.path.parent / "zstandard.py").write_text("raise ImportError('not installed')\n")
    log.beside(".1.zst").write_bytes(PACK[".zst"](b"cannot be read\n"))
    log.write()
    with (
        running(log.path.parent, log.path, env={"PYTHONPATH": str(log.path.parent)}) as server,
        following(server, "/stream-logs?from=start") as client,
        following(server, last_event_id="3e8-1-1") as stranger,
    ):
        numbered(log)
        log.write()
        assert client.wait_for(6) == log.lines
        [gap] = client.facts("gap")
        assert ".1.zst cannot be unpacked: not installed" in gap["why"]
        assert stranger.wait_for(6) == log.lines
