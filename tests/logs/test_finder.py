"""No client's search holds up another's, and what is wanted of one file is found in one turn."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.logs.archive import Archive, FoundFile, UnpackingNeededError
from server.logs.files import File
from server.logs.finder import AT_ONCE, MOST_GUESSES, Finder, TooManyError
from server.logs.position import Position
from server.logs.search import Search
from server.logs.threads import Threads

PLAIN = 0
"""The beginning of the only file that need not be unpacked."""


class BlockedSearch(Search):
    """Finds nothing; what needs unpacking, or a guess, waits until it is let go."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(archive)
        self.go_on = threading.Event()
        self.unpacked: list[int] = []
        """How the files begin that were unpacked, in that order."""

    def find(
        self, position: Position, but: File | None = None, *, may_unpack: bool = True
    ) -> FoundFile | None:
        if position.head == PLAIN:
            return None
        if not may_unpack:
            raise UnpackingNeededError
        self.go_on.wait()
        self.unpacked.append(position.head)
        return None

    def find_elsewhere(self, position: Position) -> FoundFile | None:
        self.go_on.wait()
        return None


@pytest.fixture
def search(tmp_path: Path) -> Iterator[BlockedSearch]:
    search = BlockedSearch(Archive(tmp_path / "app.log", 2**30))
    yield search
    search.go_on.set()


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads()
    yield threads
    threads.stop()


async def until_asked(threads: Threads) -> None:
    """Wait until each search has come to a file that needs unpacking. None can begin later."""
    await asyncio.sleep(0)  # each begins
    await asyncio.to_thread(threads.searchers.shutdown)


def test_what_is_in_a_plain_file_waits_for_nobody(search: BlockedSearch, threads: Threads) -> None:
    async def main() -> None:
        finder = Finder(search, threads)
        others = [asyncio.create_task(finder.find(Position(2000, n, n))) for n in range(1, 201)]
        others += [asyncio.create_task(finder.find_elsewhere(Position(9, n, n))) for n in range(9)]
        assert await finder.find(Position(2000, PLAIN, 1)) is None
        assert not any(task.done() for task in others)
        search.go_on.set()
        await asyncio.gather(*others)

    asyncio.run(main())


def test_what_is_wanted_of_one_file_is_found_in_one_turn(
    search: BlockedSearch, threads: Threads
) -> None:
    async def main() -> None:
        finder = Finder(search, threads)
        wanted = [Position(2000, 1 + n % 8, n) for n in range(200)]
        tasks = [asyncio.create_task(finder.find(position)) for position in wanted]
        await until_asked(threads)
        search.go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert len(search.unpacked) == 200
    for index in range(1, len(search.unpacked)):  # no more files at the same time than threads
        lately = search.unpacked[max(0, index - 10) : index]
        assert len(set(lately)) <= 2 * AT_ONCE


def test_a_client_that_leaves_takes_no_other_with_it(
    search: BlockedSearch, threads: Threads
) -> None:
    async def main() -> None:
        finder = Finder(search, threads)
        tasks = [asyncio.create_task(finder.find(Position(2000, 1, n))) for n in range(10)]
        await until_asked(threads)
        tasks[0].cancel()
        tasks[5].cancel()
        await asyncio.wait({tasks[0], tasks[5]})
        search.go_on.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled = [isinstance(result, asyncio.CancelledError) for result in results]
        assert [n for n, is_cancelled in enumerate(cancelled) if is_cancelled] == [0, 5]

    asyncio.run(main())


def test_an_error_in_one_search_is_that_of_its_client_alone(
    search: BlockedSearch, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = search.find

    def fail(position: Position, but: File | None = None, *, may_unpack: bool = True) -> object:
        if may_unpack and position.tail == 1:
            raise RuntimeError("a fault of its own")
        return find(position, but, may_unpack=may_unpack)

    async def main() -> None:
        monkeypatch.setattr(search, "find", fail)
        finder = Finder(search, threads)
        tasks = [asyncio.create_task(finder.find(Position(2000, 1, n))) for n in range(3)]
        await until_asked(threads)
        search.go_on.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results] == ["None", "a fault of its own", "None"]

    asyncio.run(main())


def test_few_guesses_are_made_at_a_time(search: BlockedSearch, threads: Threads) -> None:
    async def main() -> None:
        finder = Finder(search, threads)
        tasks = [
            asyncio.create_task(finder.find_elsewhere(Position(9, n, n)))
            for n in range(MOST_GUESSES)
        ]
        await asyncio.sleep(0)  # each begins
        with pytest.raises(TooManyError):
            await finder.find_elsewhere(Position(9, 0, 0))
        search.go_on.set()
        await asyncio.gather(*tasks)
        assert await finder.find_elsewhere(Position(9, 0, 0)) is None

    asyncio.run(main())


def test_nothing_goes_on_after_the_end(search: BlockedSearch, threads: Threads) -> None:
    async def main() -> None:
        finder = Finder(search, threads)
        task = asyncio.create_task(finder.find(Position(2000, 1, 1)))
        await until_asked(threads)
        before = asyncio.all_tasks()
        finder.stop()
        await asyncio.wait({task})
        assert task.cancelled()
        await asyncio.wait(before - {asyncio.current_task()})

    asyncio.run(main())
