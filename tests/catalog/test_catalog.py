"""All logs that are served, by their names."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from server.catalog import entry
from server.catalog.discovery import Changes, Found, LeftOut, Problem, View
from server.feeds.contract import Last
from tests.catalog.serving import Changing, cataloguing, make, wait_for
from tests.feeds.several import append


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["app.log"], ["app.log"]),
        (["web*"], ["web1.log", "web2.log"]),
        (["*"], ["app.log", "web1.log", "web2.log", "a[1].log"]),
        (["web?.log", "app.log"], ["app.log", "web1.log", "web2.log"]),
        (["web[2-9].log"], ["web2.log"]),
        (["a[1].log"], ["a[1].log"]),  # a name, though it looks like a pattern
        (["WEB*"], []),
        (["none*"], []),
        ([], []),
    ],
)
def test_patterns_match_names(patterns: Sequence[str], wanted: list[str]) -> None:
    names = ["app.log", "web1.log", "web2.log", "a[1].log"]
    catalog = Changing([Path("/nowhere") / name for name in names], make).catalog
    assert catalog.names == names
    assert catalog.matching(patterns) == wanted


def test_a_log_that_is_not_there_is_none(tmp_path: Path) -> None:
    catalog = Changing([tmp_path / "a"], make).catalog
    assert catalog.get("a")
    assert catalog.get("b") is None


def test_what_was_left_out_and_is_wrong_is_told_without_paths_to_it(tmp_path: Path) -> None:
    async def main() -> None:
        catalog = Changing([tmp_path / "a"], make).catalog
        view = View(
            (),
            (LeftOut("/var/log/x.gz", "is compressed"),),
            (Problem("/var/log/*.log", "matches nothing"),),
        )
        catalog.update(view, Changes((), (), (Found("a", tmp_path / "a", "cannot be read"),)))
        told = await catalog.describe()
        assert told["left_out"] == [{"what": "x.gz", "why": "is compressed"}]
        assert told["problems"] == [{"what": "*.log", "why": "matches nothing"}]
        assert "'problem': 'cannot be read'" in str(told["logs"])

    asyncio.run(main())


def test_a_log_that_has_gone_stays_open_for_its_clients_and_is_closed_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.catalog.catalog.LOOK", 0.01)

    async def main() -> None:
        append(tmp_path / "a", "a1")
        async with cataloguing(tmp_path / "a") as changing:
            log = changing.catalog.get("a")
            assert log
            async with log.opened("text") as feed:
                changing.remove(tmp_path / "a")
                assert changing.catalog.get("a") is None
                for _ in range(5):
                    await asyncio.sleep(0.01)  # it is looked at again and again
                place = await feed.locate(Last(1))
                assert b"a1" in (await feed.read(place)).frames
            for _ in range(5):
                await asyncio.sleep(0.01)
            assert log.is_open  # not idle for long enough: still one that is to be closed
            monkeypatch.setattr(entry, "IDLE", -1)
            await wait_for(lambda: not log.is_open)

    asyncio.run(main())
