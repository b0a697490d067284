"""A log that was truncated and written anew, and who comes before the follower has noticed that."""

import asyncio
import os
from pathlib import Path

import pytest

from server.logs.position import Position
from tests.event_stream import Parsed
from tests.feeding import data, feeding, frames, live, take
from tests.rotations import Log

LENGTH = 101
"""Bytes of each line."""


@pytest.mark.parametrize("count", [20, 2000])
def test_who_knows_lines_of_what_a_log_holds_now_does_not_get_them_again(
    tmp_path: Path, count: int
) -> None:
    """Another server has sent them, which has noticed it earlier."""
    log = Log(tmp_path / "app.log")
    log.append(*(f"old {number:096}" for number in range(2 * count)))
    new = [f"new {number:096}" for number in range(count)]

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            await anext(live(feed))
            os.truncate(log.path, 0)
            log.append(*new)
            known = log.path.read_bytes()[: -5 * LENGTH]
            position = Position.at(len(known), lambda offset, n: known[offset : offset + n])
            return await take(frames(feed, str(position)), 5)

    events = asyncio.run(main())
    assert data(events) == new[-5:]
