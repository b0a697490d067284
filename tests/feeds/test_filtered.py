"""What clients of filtered streams get, however often they come back, and with which filter."""

import asyncio
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.feeds.contract import AfterId, Feed, LostError, Oldest, Start
from server.filters.filter import Filter
from server.logs import history
from tests.event_stream import Parser
from tests.feeding import feeding

LINES = st.lists(
    st.sampled_from(["a", "b", "ab", "", "a" * 5000, "x" * 9000, "b" * 20_000]), max_size=25
)
FILTERS = st.builds(
    Filter, st.sampled_from([("a",), ("^b",), ("a", "b"), ("c",), (r"^\d+$",)]), st.booleans()
)


class Visit(NamedTuple):
    """A client that takes so many events, or all there are."""

    wish: Filter
    events: int


async def visit(feed: Feed, start: Start, most: int) -> tuple[list[str], str, bool]:
    """The lines that a client gets, its last event id, and whether it got all there are."""
    parser, lines = Parser(start.id if isinstance(start, AfterId) else ""), list[str]()
    try:
        place = await feed.locate(start)
    except LostError as lost:  # the log is empty
        place = lost.place
    while not feed.is_live(place):
        batch = await feed.read(place)
        for event in parser.feed(batch.frames):
            if event.type == "message":
                lines.append(event.data)
            if len(lines) == most:
                return lines, event.id, False
        place = batch.end
    return lines, place.id, True


@settings(max_examples=60, deadline=None)
@given(
    LINES,
    LINES,
    st.lists(st.builds(Visit, FILTERS, st.integers(1, 8)), max_size=6),
    st.sampled_from([16, 4096, 1024 * 1024]),
)
def test_each_visit_gets_the_lines_that_its_filter_wants_after_the_last_one(
    older: list[str], newer: list[str], visits: list[Visit], sought: int
) -> None:
    """The reference goes over the files line by line. No two lines are equal."""
    numbered = [f"{line}{number}" for number, line in enumerate(older + newer)]
    older, newer = numbered[: len(older)], numbered[len(older) :]

    def wants(wish: Filter, line: str) -> bool:
        kept = line[:8192] + ("" if len(line) <= 8192 else "…")
        return all(re.search(text, kept) for text in wish.grep) is not wish.invert

    async def main(directory: Path) -> None:
        if older:
            (directory / "app.log.1").write_text("".join(f"{line}\n" for line in older))
        log = directory / "app.log"
        log.write_text("".join(f"{line}\n" for line in newer))
        lines, at, start = older + newer, 0, None
        for wish, most in visits:
            async with feeding(log, filter=wish) as feed:
                got, id, is_all = await visit(feed, AfterId(start) if start else Oldest(), most)
            left = [number for number in range(at, len(lines)) if wants(wish, lines[number])]
            wanted = left if is_all else left[:most]
            assert got == [lines[number][:8192] for number in wanted]
            at = len(lines) if is_all else wanted[-1] + 1
            start = id

    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "SOUGHT", sought)
        asyncio.run(main(Path(directory)))
