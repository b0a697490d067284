"""GNU tail through `sh`: what it hands over, how it ends."""

import asyncio
import os
import socket
from pathlib import Path

import psutil
import pytest

from server.logs.tail import Tail, find_tail
from tests.descriptors import held
from tests.running import is_gone


async def read_all(tail: Tail) -> bytes:
    data = b""
    while more := await tail.read(0.5):
        data += more
    return data


@pytest.mark.parametrize("name", [b"-app log", b"\xff.log", "é.log".encode()])
def test_it_reads_from_an_offset_and_goes_on(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"0123456789")

    async def main() -> None:
        tail = Tail(find_tail(), path, 4)
        try:
            assert await tail.read(10) == b"456789"
            assert await tail.read(0.01) == b""
            with path.open("ab") as file:
                file.write(b"more")
            assert await tail.read(10) == b"more"
        finally:
            await tail.stop()

    asyncio.run(main())


@pytest.mark.parametrize("written", [0, 10, 1_000_000])
def test_a_tail_that_is_killed_has_ended(tmp_path: Path, written: int) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"x" * written)

    async def main() -> None:
        for _ in range(10):
            tail = Tail(find_tail(), path, 0)
            [process] = psutil.Process().children()
            process.kill()
            while await tail.read(10) is not None:
                pass
            assert await tail.read(10) is None
            await tail.stop()
            assert is_gone(process)

    asyncio.run(main())


@pytest.mark.linux
def test_nothing_is_left_of_a_tail(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.touch()

    async def main() -> None:
        before = held()
        tail = Tail(find_tail(), path, 0)
        task = asyncio.create_task(tail.stop())
        await asyncio.sleep(0)
        task.cancel()  # even so, it waits for the end
        with pytest.raises(asyncio.CancelledError):
            await task
        assert psutil.Process().children() == []
        assert not held() - before

    asyncio.run(main())


@pytest.mark.linux
def test_a_tail_holds_nothing_that_this_process_has_open(tmp_path: Path) -> None:
    path, other = tmp_path / "app.log", tmp_path / "other"
    path.touch()

    async def main() -> None:
        with other.open("w"), socket.socket():
            tail = Tail(find_tail(), path, 0)
            try:
                [process] = psutil.Process().children()
                targets = [os.readlink(one) for one in Path(f"/proc/{process.pid}/fd").iterdir()]
                assert str(other) not in targets
                assert not [one for one in targets if one.startswith("socket:")]
            finally:
                await tail.stop()

    asyncio.run(main())


def test_when_no_descriptor_is_left_it_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        taken = []
        try:
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        try:
            with pytest.raises(OSError, match="Too many open files"):
                Tail(command, tmp_path / "app.log", 0)
        finally:
            for descriptor in taken:
                os.close(descriptor)

    command = find_tail()
    asyncio.run(main())


def test_it_says_up_to_where_it_has_handed_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("one\ntwo\n")

    async def main() -> None:
        tail = Tail(find_tail(), path, 4)
        assert tail.offset == 4
        async with asyncio.timeout(20):
            while tail.offset < 8:
                await tail.read(1)
        await tail.stop()

    asyncio.run(main())
