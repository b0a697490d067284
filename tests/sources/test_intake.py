"""The thread that reads pipes: when it reads, and when it waits for the disk."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from server.sources import intake as module
from server.sources.intake import Intake
from tests.sources.hosting import until


class Disk:
    """Where things are written: whatever is taken is held until it `works`."""

    def __init__(self, works: bool) -> None:
        self.works = works
        self.held: list[bytes] = []
        self.written: list[bytes] = []
        self.tries = 0

    def take(self, data: bytes) -> None:
        self.held.append(data)
        self.settle()

    @property
    def is_settled(self) -> bool:
        return not self.held

    def settle(self) -> bool:
        self.tries += 1
        if self.works:
            self.written += self.held
            self.held = []
        return self.is_settled


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def test_it_hands_over_what_comes_and_then_the_end(pipe: tuple[int, int]) -> None:
    async def main() -> None:
        reader, writer = pipe
        disk = Disk(works=True)
        intake = Intake("app", {reader: disk.take}, disk)
        os.write(writer, b"one")
        await until(lambda: disk.written == [b"one"], "it is there")
        os.close(writer)
        await intake.wait()
        assert disk.written == [b"one", b""]

    asyncio.run(main())


@pytest.mark.parametrize("waits", [False, True])
def test_while_the_disk_fails(
    pipe: tuple[int, int], waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads on or not, as it was told, and tries again until all is written."""
    monkeypatch.setattr(module, "AGAIN", 0.01)

    async def main() -> None:
        reader, writer = pipe
        disk = Disk(works=False)
        intake = Intake("app", {reader: disk.take}, disk, waits=waits)
        os.write(writer, b"one")
        await until(lambda: disk.held == [b"one"], "it is taken")
        os.write(writer, b"two")
        os.close(writer)
        tries = disk.tries
        await until(lambda: disk.tries > tries + 3, "it tries again")
        assert disk.held == ([b"one"] if waits else [b"one", b"two", b""])
        disk.works = True
        await intake.wait()
        assert disk.written == [b"one", b"two", b""]

    asyncio.run(main())


def test_told_to_stop_it_takes_what_has_come(pipe: tuple[int, int]) -> None:
    async def main() -> None:
        reader, writer = pipe
        disk = Disk(works=True)
        intake = Intake("app", {reader: disk.take}, disk)
        os.write(writer, b"x" * 60_000)
        await intake.stop()
        os.write(writer, b"more")
        assert len(b"".join(disk.written)) == 60_000
        os.close(writer)

    asyncio.run(main())


def test_it_ends_with_what_a_taker_raises(pipe: tuple[int, int]) -> None:
    async def main() -> None:
        reader, writer = pipe
        os.write(writer, b"x")

        def take(data: bytes) -> None:
            raise ValueError("no")

        intake = Intake("app", {reader: take}, Disk(works=True))
        with pytest.raises(ValueError, match="no"):
            await intake.wait()
        await intake.stop()
        os.close(writer)

    asyncio.run(main())
