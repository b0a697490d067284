"""A log that was cut back, or cut at both ends, and written on before that was noticed."""

import asyncio
import os
from pathlib import Path

from tests.event_stream import Parsed
from tests.feeding import data, feeding, live, take
from tests.rotations import Log, packed

LINES = [f"{number:0100}" for number in range(200)]

KEPT = 100
"""Lines that stay."""


def test_what_stayed_of_a_log_that_was_cut_back_is_not_sent_again_once_it_is_compressed(
    tmp_path: Path,
) -> None:
    """The compressed file holds what the log's own file does, which is still open."""
    log = Log(tmp_path / "app.log")
    log.append(*LINES)

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)
            os.truncate(log.path, KEPT * 101)
            log.append("new")
            packed(".gz")(log)
            log.append("the last one")
            return await take(coming, 2)

    events = asyncio.run(main())
    assert data(events) == ["new", "the last one"]
    assert [event.type for event in events] == ["truncated", "message", "rotated", "message"]


def test_lines_that_stand_where_others_were_cut_off_are_a_gap_where_it_is_not_known_which(
    tmp_path: Path,
) -> None:
    """What is remembered of a long log tells only about where it was cut, and nothing that stands
    behind all that was taken was sent.
    """
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2000)))
    new = [f"new {number:096}" for number in range(1000)]

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)
            os.truncate(log.path, 1970 * 101)
            log.append(*new)
            return await take(coming, 970)

    events = asyncio.run(main())
    assert data(events) == new[30:]
    assert [event.type for event in events].count("gap") == 1
