"""A log is opened when somebody asks for it, and closed some time after that."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from server.catalog import entry
from server.catalog.discovery import Found
from server.catalog.entry import CatalogLog
from server.errors import StartError
from server.feeds.contract import BrokenOffError, Last
from server.feeds.served import ServedLog
from tests.catalog.serving import make, wait_for
from tests.feeds.several import append, until


def log_at(path: Path) -> CatalogLog:
    return CatalogLog(Found(path.name, path), make)


def test_a_log_is_opened_on_demand_and_closed_when_it_is_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        append(tmp_path / "a", "a1")
        log = log_at(tmp_path / "a")
        assert (log.is_open, log.status(), (await log.describe())["state"]) == (False, None, "idle")
        async with log.opened("text") as feed:
            assert log.is_open
            assert (await log.describe())["state"] == "followed"
            monkeypatch.setattr(entry, "IDLE", -1)
            await log.drop_idle()
            assert log.is_open  # somebody uses it
            place = await feed.locate(Last(0))
            append(tmp_path / "a", "a2")
            await until(feed, place)
        monkeypatch.setattr(entry, "IDLE", 60)
        await log.drop_idle()
        assert log.is_open  # somebody may come back
        monkeypatch.setattr(entry, "IDLE", -1)
        await log.drop_idle()
        assert not log.is_open
        async with log.opened("text") as feed:
            assert feed.is_live(await feed.locate(Last(0)))
        await log.close()

    asyncio.run(main())


def test_many_who_come_at_once_open_it_once(tmp_path: Path) -> None:
    async def main() -> None:
        made: list[ServedLog] = []

        def counted(found: Found) -> ServedLog:
            made.append(make(found))
            return made[-1]

        append(tmp_path / "a", "a1")
        log = CatalogLog(Found("a", tmp_path / "a"), counted)

        async def use() -> None:
            async with log.in_use() as served:
                assert served is made[0]

        await asyncio.gather(*(use() for _ in range(10)))
        assert len(made) == 1
        await log.close()

    asyncio.run(main())


def test_a_log_that_cannot_be_opened_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(entry, "RETRY", 0.01)

    async def main() -> None:
        path = tmp_path / "a"
        path.mkdir()
        log = log_at(path)

        async def use() -> None:
            async with log.in_use():
                pass

        left = asyncio.create_task(use())
        stays = asyncio.create_task(use())
        await wait_for(lambda: log.problem)
        assert "is a directory" in log.problem
        assert "is a directory" in str((await log.describe())["problem"])
        left.cancel()  # its client has left
        with suppress(asyncio.CancelledError):
            await left
        path.rmdir()
        append(path, "a1")
        await stays
        assert (log.problem, log.is_in_use) == ("", False)
        await log.close()

    asyncio.run(main())
    assert caplog.text.count("is a directory") == 1


def test_to_open_it_now_says_why_that_cannot_be(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(StartError, match="is a directory"):
            await log_at(tmp_path).open_now()

    asyncio.run(main())


def test_an_error_of_the_follower_ends_its_streams_and_it_is_opened_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        made: list[ServedLog] = []

        def faulty(found: Found) -> ServedLog:
            made.append(make(found))
            if len(made) == 1:
                made[0].listen(fail)
            return made[-1]

        def fail(batch: object) -> None:
            raise RuntimeError("a fault of its own")

        append(tmp_path / "a", "a1")
        log = CatalogLog(Found("a", tmp_path / "a"), faulty)
        async with log.opened("text") as feed:
            place = await feed.locate(Last(0))
            waiting = asyncio.create_task(feed.read(place))
            append(tmp_path / "a", "a2")
            with pytest.raises(BrokenOffError, match="is no longer followed"):
                await waiting
        async with log.opened("text") as feed:
            place = await feed.locate(Last(1))
            assert b"a2" in (await feed.read(place)).frames
        assert len(made) == 2
        await log.close()

    asyncio.run(main())
    assert "is opened anew" in caplog.text
