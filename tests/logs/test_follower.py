"""What the follower shows of a file whatever becomes of it."""

import asyncio
from pathlib import Path

from tests.feeding import data, feeding, take, whole

PATIENCE = 20


def test_a_last_line_without_a_newline_is_shown_though_its_file_was_renamed_and_no_other_comes(
    tmp_path: Path,
) -> None:
    """Often it is the crash after which nobody begins a new file."""

    async def main() -> None:
        (tmp_path / "app.log").write_text("one\n")
        async with feeding(tmp_path / "app.log") as feed, asyncio.timeout(PATIENCE):
            with (tmp_path / "app.log").open("a") as file:
                file.write("half")
            while feed.log.follower.taken < len("one\nhalf"):
                await feed.log.follower.progress.wait()
            (tmp_path / "app.log").rename(tmp_path / "app.log.1")
            events = await take(whole(feed), 2)
            assert data(events) == ["one", "half"]
            assert "unfinished" in [event.type for event in events]

    asyncio.run(main())
