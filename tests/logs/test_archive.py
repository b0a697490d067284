"""Files of a log that are there when a server starts: which of them it reads, in which order.

Each case is what a program leaves behind, oldest file first: its name and when it was last
written to, in seconds. Every line comes once, from the start and from each place in between.
"""

import asyncio
import gzip
import os
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.logs.archive import Archive
from server.logs.files import File
from server.logs.position import Position
from tests.descriptors import open_below
from tests.event_stream import Parsed, Parser
from tests.feeding import data, feeding, frames, take, whole
from tests.rotations import PACK

Case = list[tuple[str, float]]

COUNT = 5
"""Lines of a file."""

LEFT: dict[str, Case] = {
    "a plain file beside a compressed one": [
        ("app.log.3", 1), ("app.log.2", 2), ("app.log.3.gz", 3), ("app.log.2.gz", 4),
        ("app.log.1", 5), ("app.log", 6),
    ],
    "a date and a counter": [
        *((f"app.log.2026-11-27-{number}", number) for number in range(1, 13)), ("app.log", 20)
    ],
    "a counter that rises": [*((f"app.log.{n}", n) for n in range(1, 6)), ("app.log", 9)],
    "a counter that rises, compressed": [
        *((f"app.log.{n}.gz", n) for n in range(1, 6)), ("app.log", 9)
    ],
    "another form of date": [
        ("app.log-20261124", 1), ("app.log-20261125", 2), ("app.log-2026-11-26", 3),
        ("app.log-1795772926", 4), ("app.log", 5),
    ],
    "another compressor": [
        ("app.log.3.gz", 1), ("app.log.2.gz", 2), ("app.log.3.bz2", 3), ("app.log.2.bz2", 4),
        ("app.log.3.zst", 5), ("app.log.2.xz", 6), ("app.log.1", 7), ("app.log", 8),
    ],
    "an extension": [
        ("app.log.2", 1), ("app.log.1", 2), ("app.2.log", 3), ("app.1.log", 4), ("app.log", 5)
    ],
    "pm2": [("app__2026-11-27_00-00-00.log", 1), ("app.log", 2)],
    "an underscore": [("app_20261127.log", 1), ("app.log", 2)],
    "UTC": [("app.log.2026-11-27T00-00-00Z", 1), ("app.log", 2)],
    "a zone": [("app.log-20261127T000000-0300", 1), ("app.log", 2)],
    "a thousand": [("app.log.1000", 1), ("app.log.999", 2), ("app.log", 3)],
    "winston, tailable": [("app2.log", 1), ("app1.log", 2), ("app.log", 3)],
    "svlogd": [
        ("@400000006b09562200000000.s", 1), ("@400000006b09562300000000.u", 2), ("current", 3)
    ],
    "a clock that was set back": [
        ("app.log.4", 1), ("app.log.3", 50), ("app.log.2", 3), ("app.log.1", 4), ("app.log", 5)
    ],
}  # fmt: skip


def leave(directory: Path, case: Case, line: Callable[[int, int], str]) -> list[str]:
    """Make the files of a case, each renamed after its last write; all of their lines."""
    lines = []
    for number, (name, written) in enumerate(case):
        content = [line(number, index) for index in range(COUNT)]
        lines += content
        raw = "".join(f"{one}\n" for one in content).encode()
        pack = PACK.get(Path(name).suffix)
        made = directory / "made"
        made.write_bytes(pack(raw) if pack else raw)
        os.utime(made, (1e9 + written, 1e9 + written))
        made.rename(directory / name)
    return lines


def dated(number: int, index: int) -> str:
    return f"2026-11-{number + 1:02} 10:00:{index:02} line {number}.{index}"


def undated(number: int, index: int) -> str:
    return f"line {number}.{index} of a log"


def check(log: Path, lines: list[str]) -> None:
    async def main() -> None:
        async with feeding(log) as feed:
            events = await take(whole(feed), len(lines))
            assert data(events) == lines
            own: list[Parsed] = [event for event in events if event.type == "message"]
            for number in range(0, len(lines) - 1, 3):
                id = own[number].id
                assert id
                rest = await take(frames(feed, id), len(lines) - number - 1)
                assert data(rest) == lines[number + 1 :]
                assert not [event for event in rest if event.type == "gap"]

    asyncio.run(main())


@pytest.mark.parametrize("name", LEFT)
def test_every_line_of_what_was_left_behind_comes_once(tmp_path: Path, name: str) -> None:
    lines = leave(tmp_path, LEFT[name], dated)
    check(tmp_path / LEFT[name][-1][0], lines)


@pytest.mark.parametrize("name", [name for name in LEFT if "compressed" not in name])
def test_the_times_of_writing_are_enough(tmp_path: Path, name: str) -> None:
    lines = leave(tmp_path, LEFT[name], undated)
    check(tmp_path / LEFT[name][-1][0], lines)


@pytest.mark.parametrize("is_open", [True, False])
def test_another_program_s_log_is_not_served(tmp_path: Path, is_open: bool) -> None:
    lines = leave(tmp_path, [("app.log.1", 1), ("app.log", 2)], undated)
    other = tmp_path / "app-1.log"
    with other.open("w") as writer:
        writer.write("of another program\n" * 20)
        writer.flush()
        if not is_open:
            writer.close()
        check(tmp_path / "app.log", lines)


def test_a_compressed_file_that_is_being_made_is_not_read(tmp_path: Path) -> None:
    lines = leave(tmp_path, [("app.log.2", 1), ("app.log.1", 2), ("app.log", 3)], undated)
    packed = gzip.compress((tmp_path / "app.log.2").read_bytes())
    for size in (0, 12, len(packed) - 5, len(packed)):
        (tmp_path / "app.log.2.gz").write_bytes(packed[:size])
        check(tmp_path / "app.log", lines)


def test_a_file_that_was_there_before_is_no_copy_of_what_the_log_holds_now(tmp_path: Path) -> None:
    """The beginning of a line in it begins as the log does, by chance."""
    (tmp_path / "app.log.1").write_text("2")
    (tmp_path / "app.log").touch()
    archive = Archive(tmp_path / "app.log", 2**30)
    assert archive.count() == 2
    (tmp_path / "app.log").write_text("26\n27\n")
    assert archive.count() == 2
    again = Archive(tmp_path / "app.log", 2**30)
    assert again.count() == 1  # which has not seen that, and so takes it for a copy being made


def test_a_copy_that_was_being_made_did_not_come_before_the_log(tmp_path: Path) -> None:
    """It holds the lines of the log that are truncated there next."""
    log, copy = tmp_path / "app.log", tmp_path / "app.log.1"
    log.write_text("one\ntwo\n")
    copy.write_text("one\ntw")
    archive = Archive(log, 2**30)
    snapshot = archive.snapshot()
    assert [entry.path for entry in snapshot.entries] == [log]
    trace = archive.trace_of(File.open(log), snapshot)
    copy.write_text("one\ntwo\n")
    os.truncate(log, 0)
    rotated = archive.snapshot().entries[0]
    assert rotated.path == copy
    assert not trace.is_older(rotated)


def test_what_cannot_be_unpacked_is_a_gap_that_says_why_and_the_rest_comes(tmp_path: Path) -> None:
    lines = leave(tmp_path, [("app.log.2.gz", 1), ("app.log.1", 2), ("app.log", 3)], undated)
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress(b"a long line\n" * 200_000))

    async def main() -> list[Parsed]:
        async with feeding(tmp_path / "app.log", max_unpack=2**20) as feed:
            return await take(whole(feed), 2 * COUNT)

    gap, *rest = asyncio.run(main())
    assert gap.type == "gap"
    assert "app.log.2.gz cannot be unpacked: it holds more than 1048576 bytes" in gap.data
    assert data(rest) == lines[COUNT:]


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("number", [1, 2])
def test_what_a_damaged_file_has_lost_is_a_gap_that_says_so(
    tmp_path: Path, suffix: str, number: int
) -> None:
    """Also for a client whose last line is in the part that is lost, however much that is."""
    rotated, log = tmp_path / f"app.log.{number}{suffix}", tmp_path / "app.log"
    words = random.Random(1)
    lines = [f"line {index} of a log {words.random()}" for index in range(80_000)]
    text = "".join(f"{line}\n" for line in lines).encode()
    packed = PACK[suffix](text)
    rotated.write_bytes(packed[: len(packed) // 2])
    os.utime(rotated, (1e9, 1e9))
    case: Case = [("app.log.1", 1), ("app.log", 2)]
    later = leave(tmp_path, case[number % 2 :], undated)

    async def main() -> None:
        async with feeding(log) as feed:
            whole_part = await until_gap(whole(feed))
            sent = data(whole_part)
            assert 1000 < len(sent) < 60_000
            assert sent == lines[: len(sent)]
            gap = whole_part[-1]
            assert f"{rotated.name} is damaged" in gap.data
            for index in (0, 900, len(sent) - 1, len(sent), 79_000):
                end = sum(len(line) + 1 for line in lines[: index + 1])
                id = Position.at(end, lambda at, length: text[at : at + length])
                events = frames(feed, str(id))
                before = await until_gap(events)
                assert data(before) == sent[index + 1 :]
                assert before[-1].data == gap.data
                assert data(await take(events, len(later))) == later

    asyncio.run(main())


@pytest.mark.parametrize("packed", [b"", b"garbage", gzip.compress(b"line\n", mtime=0)[:12]])
@pytest.mark.parametrize("name", ["app.log.1.gz", "app.log.2.gz", "app.log.3.gz"])
def test_a_file_of_which_nothing_can_be_read_is_a_gap(
    tmp_path: Path, name: str, packed: bytes
) -> None:
    (tmp_path / name).write_bytes(packed)
    case: Case = [("app.log.3.gz", 1), ("app.log.2.gz", 2), ("app.log.1.gz", 3), ("app.log", 4)]
    place = [one for one, _ in case].index(name)
    os.utime(tmp_path / name, (1e9 + place + 1, 1e9 + place + 1))
    case = case[:place] + case[place + 1 :]
    lines = leave(tmp_path, case, undated)

    async def main() -> None:
        async with feeding(tmp_path / "app.log") as feed:
            events = whole(feed)
            before = await until_gap(events)
            assert f"{name} is damaged" in before[-1].data
            assert data(before) == lines[: place * COUNT]
            assert data(await take(events, len(lines) - place * COUNT)) == lines[place * COUNT :]

    asyncio.run(main())


async def until_gap(events: AsyncIterator[bytes]) -> list[Parsed]:
    parser, parsed = Parser(), list[Parsed]()
    async with asyncio.timeout(20):
        while not any(event.type == "gap" for event in parsed):
            parsed += parser.feed(await anext(events))
    assert parsed[-1].type == "gap"
    return parsed


@pytest.mark.linux
def test_three_thousand_files_are_read_with_few_of_them_open(tmp_path: Path) -> None:
    names = [f"app.log-{1_700_000_000 + 3600 * number}" for number in range(3000)]
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f"line {number}\n")
        os.utime(tmp_path / name, (1e9 + number, 1e9 + number))
    (tmp_path / "app.log").write_text("line 3000\n")

    async def main() -> tuple[list[str], int]:
        most = 0
        async with feeding(tmp_path / "app.log") as feed:
            events, lines = whole(feed), list[str]()
            while len(lines) <= 3000:
                frame = await anext(events)
                lines += [
                    line[6:].decode()
                    for line in frame.split(b"\n")
                    if line.startswith(b"data: line")
                ]
                most = max(most, open_below(tmp_path))
        return lines, most

    lines, most = asyncio.run(main())
    assert lines == [f"line {number}" for number in range(3001)]
    assert most < 64
