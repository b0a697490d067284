"""Where clients begin in a merged feed, and what they are told of lines that are gone."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from server.feeds.contract import AfterId, CannotReadError, LostError, Oldest
from server.logs.generation import Place as LogPlace
from server.logs.position import Position
from tests.event_stream import Parser
from tests.feeds.several import (
    ALTERNATING,
    BACKLOG,
    Reader,
    append,
    at,
    live,
    merging,
    numbers,
    of,
    reading,
    served,
    two_logs,
    until,
)


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(main())


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return two_logs(tmp_path)


def test_an_id_at_the_start_of_a_rotated_log_is_not_that_of_the_oldest_line(
    tmp_path: Path,
) -> None:
    """Nothing stands before it in its own file."""

    async def main() -> None:
        append(tmp_path / "a.1", "old")
        (tmp_path / "a").touch()
        append(tmp_path / "b", "b")
        async with merging(tmp_path / "a", tmp_path / "b") as feed:
            client = await live(feed)
            append(tmp_path / "b", "more")
            await client.read(1)
            append(tmp_path / "a", "new")
            for id in (client.places[0].id, client.ids[0]):
                again = await reading(feed, id)
                assert "a:old" not in await again.read(1)
            assert (await reading(feed, client.ids[0])).facts("gap") == []

    run(main)


def test_what_is_gone_of_a_log_is_a_gap_that_names_it(two: tuple[Path, Path]) -> None:
    async def main() -> None:
        a, b = two
        async with merging(a, b) as feed:
            id = (await live(feed)).place.id
        a.write_text("something else\n")
        async with merging(a, b) as feed:
            with pytest.raises(LostError, match=r"^a: .*not in the log") as lost:
                await feed.locate(AfterId(id))
            client = Reader(feed, Oldest())
            client.places.append(lost.value.place)
            assert await client.read_out() == ["a:something else"]  # and nothing twice of b

    run(main)


@pytest.mark.parametrize("id", ["", "no id", "0-0-0", "AAAA", "5-1-1", "é" * 24])
def test_an_id_that_is_none_is_a_gap_before_the_oldest_lines(
    two: tuple[Path, Path], id: str
) -> None:
    async def main() -> None:
        async with merging(*two) as feed:
            client = await reading(feed, AfterId(id))
            assert client.facts("gap")[0]["why"]
            assert numbers(await client.read(10)) == ALTERNATING

    run(main)


def test_the_id_of_one_log_alone_is_understood_and_the_others_are_new(
    two: tuple[Path, Path],
) -> None:
    async def main() -> None:
        a, b = two
        async with served(a) as log, merging(a, b) as feed:
            with log.feed("text") as alone:
                parser = Parser()
                batch = await alone.read(await alone.locate(Oldest()))
                [*_, fourth, _] = parser.feed(batch.frames)
            client = await reading(feed, fourth.id)
            lines = await client.read_out()
            assert client.facts("gap") == []
            assert numbers(of(lines, "a")) == ["a8"]
            assert numbers(of(lines, "b")) == ["b7", "b9"][-BACKLOG:]

    run(main)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_stream_of_one_log_goes_on_at_its_place_in_the_id_of_several(
    two: tuple[Path, Path], form: str
) -> None:
    async def main() -> None:
        a, b = two
        async with served(a) as log, merging(a, b) as feed:
            client = await reading(feed)
            await client.read(10)
            with log.feed(form) as alone:
                for number, id in enumerate(client.ids):
                    place = await alone.locate(AfterId(id))
                    rest = len(of(client.lines[number + 1 :], "a"))
                    assert alone.is_live(place) == (rest == 0)
                    if rest:
                        batch = await alone.read(place)
                        assert len(Parser().feed(batch.frames)) == rest

    run(main)


# --- memory, and clients of every pace -----------------------------------------------------


def test_a_log_that_cannot_be_read_now_does_not_hold_up_the_others(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.feeds.merged_history.PATIENCE", 0.05)

    async def main() -> None:
        a, b = two
        async with merging(a) as feed, served(b) as log:
            await feed.add(log)
            client = await reading(feed)
            hangs, read = asyncio.Event(), log.log.read

            async def wait(place: object, seek: object = None) -> object:
                await hangs.wait()
                return await read(place, seek)  # type: ignore[arg-type]

            monkeypatch.setattr(log.log, "read", wait)
            other = await reading(feed, AfterId(client.place.id))
            with_b = of(await other.read(5), "a")
            assert numbers(with_b) == ["a0", "a2", "a4", "a6", "a8"]
            hangs.set()
            assert len(await other.read(10)) == 10

    run(main)


@pytest.mark.parametrize("is_for_ever", [False, True])
def test_a_place_in_a_log_that_cannot_be_read_now_does_not_hold_up_the_others(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, is_for_ever: bool
) -> None:
    """If its disk is soon well again, nothing is missed; else a gap tells of it."""
    monkeypatch.setattr("server.feeds.merged_history.TROUBLED", 0.3)

    async def main() -> None:
        a, b = two
        async with merging(a) as feed, served(b) as log:
            await feed.add(log)
            client = await reading(feed)
            find, tries = log.log.places.find_now, 0

            async def fail(position: Position) -> LogPlace:
                nonlocal tries
                tries += 1
                if is_for_ever or tries < 3:
                    raise CannotReadError(b, "Input/output error")
                return await find(position)

            monkeypatch.setattr(log.log.places, "find_now", fail)
            other = await reading(feed, AfterId(client.place.id))
            assert numbers(of(await other.read(5), "a")) == ["a0", "a2", "a4", "a6", "a8"]
            if is_for_ever:
                [gap] = other.facts("gap")
                assert gap["why"] == "b: it cannot be read now (Input/output error)"
            else:
                assert len(await other.read(10)) == 10
                assert not other.facts("gap")

    run(main)


def test_who_leaves_before_the_first_line_of_a_log_gets_all_of_it_also_after_an_edit(
    two: tuple[Path, Path],
) -> None:
    """The log goes on in the editor's copy: its start is not where the one before ended."""

    async def main() -> None:
        a, b = two
        async with merging(a, b) as feed:
            client = await live(feed)
            place = client.place
            copy = a.with_name("copy")
            copy.write_bytes(a.read_bytes())
            append(copy, at(50, "a new line"))
            copy.replace(a)
            await until(feed, place)
            await client.read(1)
            everything = (await reading(feed)).place.id
            lines = await (await reading(feed, everything)).read_out()
            assert of(lines, "a") == a.read_text().splitlines()

    run(main)
