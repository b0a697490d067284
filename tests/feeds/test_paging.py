"""Pages of a log's lines, before an event, after it and around it."""

import asyncio
import gzip
import json
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.feeds import paging
from server.feeds.composite import pack
from server.feeds.contract import SIDES, LostError, Page, PageWish
from server.feeds.paging import page_of
from server.filters import backwards
from server.filters.filter import Filter
from server.formats.levels import Level
from server.logs import history
from server.logs.position import Position
from tests.feeding import MAX_LINE, feeding
from tests.running import PATIENCE

START = "0-0-0"
LINES = [f"line {number}" for number in range(30)]
ODD = Filter(("[13579]$",))
ODD_LINE = Filter(("[13579] line$",))


def lines_of(page: Page) -> list[str]:
    return [entry["line"] for entry in entries_of(page) if "line" in entry]


def entries_of(page: Page) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in page.entries]


def id_after(path: Path, length: int) -> str:
    """The id of the event that ends after so many bytes of a file."""
    data = path.read_bytes()
    position = Position.at(length, lambda offset, size: data[offset : offset + size])
    assert position
    return str(position)


def write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def rotated(directory: Path) -> Path:
    """A log with LINES in three files, of which one is compressed."""
    log = directory / "app.log"
    write(log, LINES[20:])
    write(directory / "app.log.1", LINES[10:20])
    data = "".join(f"{line}\n" for line in LINES[:10]).encode()
    (directory / "app.log.2.gz").write_bytes(gzip.compress(data))
    for age, name in enumerate(("app.log", "app.log.1", "app.log.2.gz")):
        os.utime(directory / name, (2e9 - 1000 * age, 2e9 - 1000 * age))
    return log


def asked(log: Path, *wishes: PageWish) -> list[Page]:
    async def main() -> list[Page]:
        async with feeding(log) as feed:
            return [await page_of(feed.log, MAX_LINE, wish) for wish in wishes]

    return asyncio.run(main())


class Case(NamedTuple):
    side: str
    at: int | None  # the line after which the place stands, None for the live end
    limit: int
    filter: Filter | None
    lines: list[str]
    more_before: bool
    more_after: bool


@pytest.mark.parametrize(
    "case",
    [
        Case("before", None, 3, None, LINES[27:], True, False),
        Case("before", None, 25, None, LINES[5:], True, False),
        Case("before", None, 30, None, LINES, False, False),
        Case("before", None, 5000, None, LINES, False, False),
        Case("before", 25, 2, None, LINES[23:25], True, True),
        Case("before", 20, 3, None, LINES[17:20], True, True),
        Case("before", 21, 3, None, LINES[18:21], True, True),
        Case("before", 0, 3, None, [], False, True),
        Case("after", 0, 3, None, LINES[:3], False, True),
        Case("after", 8, 5, None, LINES[8:13], True, True),
        Case("after", 25, 5, None, LINES[25:], True, False),
        Case("after", 25, 50, None, LINES[25:], True, False),
        Case("after", 0, 50, None, LINES, False, False),
        Case("after", None, 5, None, [], True, False),
        Case("around", 15, 4, None, LINES[13:17], True, True),
        Case("around", 15, 1, None, LINES[14:15], True, True),
        Case("around", 15, 3, None, LINES[13:16], True, True),
        Case("around", 1, 10, None, LINES[:10], False, True),
        Case("around", 30, 4, None, LINES[28:], True, False),
        Case("around", 10, 40, None, LINES, False, False),
        Case("before", None, 3, ODD, ["line 25", "line 27", "line 29"], True, False),
        Case("before", 12, 3, ODD, ["line 7", "line 9", "line 11"], True, True),
        Case("after", 12, 2, ODD, ["line 13", "line 15"], True, True),
        Case("around", 15, 4, ODD, ["line 11", "line 13", "line 15", "line 17"], True, True),
        Case("after", 0, 100, Filter(("nothing",)), [], False, False),
        Case("before", None, 100, Filter(("nothing",)), [], False, False),
        Case("before", None, 2, Filter((" 1$",)), ["line 1"], False, False),
    ],
)
def test_a_page_has_the_lines_that_are_asked_for(tmp_path: Path, case: Case) -> None:
    """Through all files; the places at its ends are those that the pages beside it begin at."""
    log = rotated(tmp_path)

    async def main() -> None:
        async with feeding(log) as feed:
            whole = await page_of(feed.log, MAX_LINE, PageWish("before", None, 5000))
            ids = [START, *(entry["id"] for entry in entries_of(whole))]
            id = None if case.at is None else ids[case.at]
            page = await page_of(
                feed.log, MAX_LINE, PageWish(case.side, id, case.limit, case.filter)
            )
            assert lines_of(page) == case.lines
            assert (page.more_before, page.more_after) == (case.more_before, case.more_after)
            if case.filter is None and page.entries:
                at = LINES.index(case.lines[0])
                assert (page.first, page.last) == (ids[at], ids[at + len(case.lines)])
            merged = pack(log.name, Position.parse(id) or Position(0, 0, 0)) if id else None
            again = PageWish(case.side, merged, case.limit, case.filter)
            assert await page_of(feed.log, MAX_LINE, again) == page

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"plain\n", {"line": "plain", "level": None, "time": None}),
        (
            b"2026-11-27T10:00:00Z WARN it rains\n",
            {
                "line": "2026-11-27T10:00:00Z WARN it rains",
                "level": "warning",
                "time": "2026-11-27T10:00:00Z",
            },
        ),
        (
            b'{"time": 1795773600.25, "level": "error"}\n',
            {
                "line": '{"time": 1795773600.25, "level": "error"}',
                "level": "error",
                "time": "2026-11-27T10:00:00.250000Z",
            },
        ),
        (b'{"ts": -1e200}\n', {"line": '{"ts": -1e200}', "level": None, "time": None}),
        (b"\n", {"line": "", "level": None, "time": None}),
        (b"with CR\r\n", {"line": "with CR", "level": None, "time": None}),
        (b"50%\r100%\n", {"line": "50%\r100%", "level": None, "time": None}),
        (b"\xff \xe2\x82\xac\n", {"line": "\ufffd €", "level": None, "time": None}),
        (
            b"x" * 9000 + b"\n",
            {"line": "x" * MAX_LINE, "level": None, "time": None, "clipped": 9000},
        ),
        (
            b"\0" * 64 + b"after a hole\n",
            {"line": "after a hole", "level": None, "time": None, "hole": 64},
        ),
        (b"x" * MAX_LINE + b"\n", {"line": "x" * MAX_LINE, "level": None, "time": None}),
    ],
)
def test_what_a_page_says_of_a_line(tmp_path: Path, text: bytes, wanted: dict[str, Any]) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"first\n" + text)
    ids = id_after(log, 6), id_after(log, 6 + len(text))
    for page in asked(log, PageWish("before", None, 1), PageWish("after", ids[0], 9)):
        assert entries_of(page) == [{"id": ids[1], **wanted}]
        assert (page.first, page.last) == ids


def test_an_unfinished_line_is_marked_and_so_is_what_goes_on_with_it(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"one\ntwo")

    async def main() -> None:
        async with feeding(log) as feed, asyncio.timeout(PATIENCE):

            async def ask(*wish: Any) -> list[tuple[Any, ...]]:
                page = await page_of(feed.log, MAX_LINE, PageWish(*wish))
                return [
                    (e["line"], e.get("unfinished"), e.get("continued")) for e in entries_of(page)
                ]

            while await ask("before", None, 1) != [("two", True, None)]:
                await asyncio.sleep(0.05)  # a line without a newline is waited for
            id = id_after(log, 7)
            with log.open("a") as file:
                file.write(" and a half\nthree\n")
            while (await ask("before", None, 1))[0][0] != "three":
                await asyncio.sleep(0.05)
            assert await ask("before", None, 2) == [
                ("two and a half", None, None),
                ("three", None, None),
            ]
            assert await ask("before", id, 2) == [("one", None, None), ("two", True, None)]
            assert await ask("after", id, 2) == [
                (" and a half", None, True),
                ("three", None, None),
            ]
            assert await ask("around", id, 2) == [("two", True, None), (" and a half", None, True)]

    asyncio.run(main())


@pytest.mark.parametrize("filter", [None, Filter(("line",))])
@pytest.mark.parametrize("room", [1, 200, 1000])
def test_a_page_is_bounded_in_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, filter: Filter | None
) -> None:
    """Whatever its bounds are, page by page gives all lines."""
    monkeypatch.setattr(paging, "ROOM", room)
    log = rotated(tmp_path)

    async def main() -> None:
        async with feeding(log) as feed:
            forward, place, more = list[str](), START, True
            while more:
                page = await page_of(feed.log, MAX_LINE, PageWish("after", place, 5000, filter))
                assert sum(map(len, page.entries)) <= room + 200
                forward += lines_of(page)
                place, more = page.last, page.more_after
            assert forward == LINES
            back, before, more = list[str](), None, True
            while more:
                page = await page_of(feed.log, MAX_LINE, PageWish("before", before, 5000, filter))
                assert sum(map(len, page.entries)) <= room + 200
                back = lines_of(page) + back
                before, more = page.first, page.more_before
            assert back == LINES
            page = await page_of(feed.log, MAX_LINE, PageWish("around", place, 5000, filter))
            assert lines_of(page) == LINES[-len(page.entries) :]
            assert sum(map(len, page.entries)) <= room + 400

    asyncio.run(main())


def test_what_is_looked_at_for_a_page_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page without lines moves on."""
    monkeypatch.setattr(paging, "MOST", 1000)
    monkeypatch.setattr(backwards, "STEP", 500)
    monkeypatch.setattr(backwards, "BLOCK", 100)
    monkeypatch.setattr(history, "PIECE", 300)
    monkeypatch.setattr(history, "SOUGHT", 100)
    monkeypatch.setattr(history, "MOST_SOUGHT", 500)
    log = tmp_path / "app.log"
    log.write_text("needle one\n" + "a line of hay\n" * 500 + "needle two\n")
    filter = Filter(("needle",))

    async def main() -> None:
        async with feeding(log) as feed:
            for side, id in (("before", None), ("after", START)):
                found, asked, more, at = list[str](), 0, True, id
                while more:
                    page = await page_of(feed.log, MAX_LINE, PageWish(side, at, 10, filter))
                    is_back = side == "before"
                    found = lines_of(page) + found if is_back else found + lines_of(page)
                    at, more = (
                        (page.first, page.more_before) if is_back else (page.last, page.more_after)
                    )
                    asked += 1
                assert found == ["needle one", "needle two"]
                assert asked > 4

    asyncio.run(main())


def test_a_search_ends_after_some_seconds_with_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is whole as far as it goes, and the next one goes on."""
    monkeypatch.setattr(paging, "SECONDS", 0)
    monkeypatch.setattr(backwards, "STEP", 500)
    monkeypatch.setattr(backwards, "BLOCK", 100)
    monkeypatch.setattr(history, "PIECE", 300)
    log = tmp_path / "app.log"
    lines = [f"{number} line" for number in range(200)]
    write(log, lines)

    async def main() -> None:
        async with feeding(log) as feed:
            found, asked, page = list[str](), 0, None
            while page is None or page.more_before:
                at = page.first if page else None
                page = await page_of(feed.log, MAX_LINE, PageWish("before", at, 100, ODD_LINE))
                found, asked = lines_of(page) + found, asked + 1
                assert page.last == at or asked == 1
            assert found == [line for line in lines if re.search("[13579] line", line)]
            assert asked > 2

    asyncio.run(main())


@pytest.mark.parametrize("filter", [None, Filter(("o",))])
def test_a_line_longer_than_all_that_is_looked_at_comes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filter: Filter | None
) -> None:
    monkeypatch.setattr(paging, "MOST", 20_000)
    monkeypatch.setattr(backwards, "STEP", 8000)
    monkeypatch.setattr(backwards, "BLOCK", 1000)
    log = tmp_path / "app.log"
    log.write_text("one\no" + "x" * 100_000 + "\ntwo\n")

    async def main() -> None:
        async with feeding(log) as feed:
            found, at, more = list[str](), None, True
            while more:
                page = await page_of(feed.log, MAX_LINE, PageWish("before", at, 10, filter))
                found = [line[:2] for line in lines_of(page)] + found
                at, more = page.first, page.more_before
            assert found == ["on", "ox", "tw"]

    asyncio.run(main())


def test_the_level_of_a_record_is_that_of_its_first_line(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    write(log, ["INFO a", "ERROR b", "  at c", "INFO d", "WARN e"])
    filter = Filter(level=Level.ERROR)
    for wish in (PageWish("before", None, 9, filter), PageWish("after", START, 9, filter)):
        [page] = asked(log, wish)
        assert [(e["line"], e["level"]) for e in entries_of(page)] == [
            ("ERROR b", "error"),
            ("  at c", None),
        ]


@pytest.mark.parametrize("id", ["12-345-678", "", "no id", "0-1-0", "7fffffffffffffff-0-0"])
@pytest.mark.parametrize("side", ["before", "after", "around"])
def test_an_event_that_the_log_does_not_hold_is_told_with_the_oldest_place(
    tmp_path: Path, side: str, id: str
) -> None:
    with pytest.raises(LostError, match="not in the log") as lost:
        asked(rotated(tmp_path), PageWish(side, id, 10))
    assert lost.value.place.id == START


def test_lines_that_are_gone_in_between_are_an_entry_in_both_directions(tmp_path: Path) -> None:
    """And after them it goes on, from page to page."""
    log = tmp_path / "app.log"
    write(log, LINES[:10])

    async def main() -> None:
        async with feeding(log) as feed, asyncio.timeout(PATIENCE):
            wish = PageWish("before", None, 1)
            log.rename(log.with_name("app.log.1"))
            write(log, LINES[10:20])
            while lines_of(await page_of(feed.log, MAX_LINE, wish)) != ["line 19"]:
                await asyncio.sleep(0.05)
            middle = entries_of(await page_of(feed.log, MAX_LINE, PageWish("before", None, 5)))
            log.with_name("app.log.1").rename(log.with_name("app.log.2"))
            log.rename(log.with_name("app.log.1"))
            write(log, LINES[20:])
            while lines_of(await page_of(feed.log, MAX_LINE, wish)) != ["line 29"]:
                await asyncio.sleep(0.05)
            os.truncate(log.with_name("app.log.1"), 0)
            log.with_name("app.log.1").unlink()
            page = await page_of(feed.log, MAX_LINE, PageWish("after", START, 100))
            shown = [entry.get("line") or entry["gap"] for entry in entries_of(page)]
            assert shown == [*LINES[:10], "no longer on disk", *LINES[20:]]
            assert (page.more_before, page.more_after) == (False, False)
            # the end of what is gone is known to the server, the places in it are not
            page = await page_of(feed.log, MAX_LINE, PageWish("before", middle[-1]["id"], 5))
            assert lines_of(page) == LINES[5:10]
            page = await page_of(feed.log, MAX_LINE, PageWish("after", page.last, 1))
            shown = [entry.get("line") or entry["gap"] for entry in entries_of(page)]
            assert shown == ["no longer on disk", "line 20"]
            for side in SIDES:
                with pytest.raises(LostError, match="not in the log") as lost:
                    await page_of(feed.log, MAX_LINE, PageWish(side, middle[0]["id"], 100))
                assert lost.value.place.id == START
            page = await page_of(feed.log, MAX_LINE, PageWish("before", None, 100))
            shown = [entry.get("line") or entry["gap"] for entry in entries_of(page)]
            assert shown == [*LINES[:10], "no longer on disk", *LINES[20:]]

    asyncio.run(main())


@pytest.mark.parametrize("lines", [[], ["one"]])
def test_a_log_of_few_lines(tmp_path: Path, lines: list[str]) -> None:
    log = tmp_path / "app.log"
    write(log, lines)
    wishes = [PageWish("before", None, 9), PageWish("after", None, 9), PageWish("around", START, 9)]
    for page, wanted in zip(asked(log, *wishes), [lines, [], lines], strict=True):
        assert lines_of(page) == wanted
        assert len(page.entries) == len(wanted)
        assert not page.more_after


PIECES = st.lists(
    st.sampled_from(["a", "b", "ab", "", "a" * 5000, "x" * 9000, "b" * 20_000]), max_size=12
)
FILTERS = st.one_of(
    st.none(),
    st.builds(
        Filter, st.sampled_from([("a",), ("^b",), ("a", "b"), ("c",), (r"^\d+$",)]), st.booleans()
    ),
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(PIECES, min_size=1, max_size=3),
    FILTERS,
    st.integers(1, 8),
    st.sampled_from([16, 4096, 1024 * 1024]),
    st.sampled_from([300, 30_000, 4 * 1024 * 1024]),
)
def test_page_by_page_gives_each_wanted_line_once_and_in_order(
    files: list[list[str]], filter: Filter | None, limit: int, block: int, room: int
) -> None:
    """The reference goes over the files line by line. No two lines are equal."""
    numbers = iter(range(1000))
    numbered = [[f"{line}{next(numbers)}" for line in lines] for lines in files]

    def wants(line: str) -> bool:
        kept = line[:MAX_LINE] + ("" if len(line) <= MAX_LINE else "…")
        return filter is None or all(re.search(text, kept) for text in filter.grep) is (
            not filter.invert
        )

    wanted = [line[:MAX_LINE] for lines in numbered for line in lines if wants(line)]

    async def main(directory: Path) -> None:
        log = directory / "app.log"
        for age, lines in enumerate(reversed(numbered)):
            path = directory / (f"app.log.{age}" if age else "app.log")
            write(path, lines)
            os.utime(path, (2e9 - 1000 * age, 2e9 - 1000 * age))
        async with feeding(log) as feed:
            forward, at, more = list[str](), START, True
            while more:
                page = await page_of(feed.log, MAX_LINE, PageWish("after", at, limit, filter))
                assert len(lines_of(page)) <= limit
                assert page.last != at or not page.more_after
                forward += lines_of(page)
                at, more = page.last, page.more_after
            assert forward == wanted
            back, at, more = list[str](), at, True
            while more:
                page = await page_of(feed.log, MAX_LINE, PageWish("before", at, limit, filter))
                assert len(lines_of(page)) <= limit
                assert page.last == at
                assert page.first != at or not page.more_before
                back = lines_of(page) + back
                at, more = page.first, page.more_before
            assert back == wanted

    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "SOUGHT", block)
        patch.setattr(backwards, "BLOCK", block)
        patch.setattr(paging, "ROOM", room)
        asyncio.run(main(Path(directory)))
