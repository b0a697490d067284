"""Which order lines of several logs have, from what was read of each."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from server.feeds.merged_history import youngest
from server.feeds.merging import NEVER, Chunk, Chunks, Item, in_order
from server.logs.generation import Change, Generation, Lines, Place, gap
from server.logs.lines import LineSplitter
from server.logs.position import START, Position
from tests.event_stream import parse

GENERATION = Generation(0)


def place(offset: int, generation: Generation = GENERATION) -> Place:
    return Place(generation, Position(offset, 0, 0))


def chunk(*times: float) -> Chunk:
    """Lines with these times."""
    return Chunk(
        place(0), [Item(time, place(number), b"", 1) for number, time in enumerate(times, 1)]
    )


def read(text: str, generation: Generation = GENERATION) -> Lines:
    """A log's first lines."""
    splitter = LineSplitter(START, b"", 100)
    [batch] = splitter.batches(text.encode())
    return Lines(place(0, generation), batch, Place(generation, batch.end))


def order(logs: dict[str, Chunk], unfinished: Sequence[str] = ()) -> str:
    return " ".join(
        f"{log}{item.end.position.offset}" for log, item in in_order(logs, set(unfinished))
    )


@pytest.mark.parametrize(
    ("logs", "unfinished", "wanted"),
    [
        ({"a": chunk(1, 3), "b": chunk(2, 4)}, "", "a1 b1 a2 b2"),
        ({"a": chunk(1, 1), "b": chunk(1, 1)}, "", "a1 a2 b1 b2"),  # names decide
        ({"b": chunk(1), "a": chunk(1)}, "", "a1 b1"),
        ({"a": chunk(NEVER, NEVER), "b": chunk(5)}, "", "a1 a2 b1"),
        ({"a": chunk(1, 2, 3)}, "", "a1 a2 a3"),
        ({}, "", ""),
        # more of a may follow: nothing younger than its last line is sure
        ({"a": chunk(1, 2), "b": chunk(2, 3)}, "a", "a1 a2 b1"),
        ({"a": chunk(1, 2), "b": chunk(3, 4)}, "a", "a1 a2"),
        ({"a": chunk(1, 9), "b": chunk(3, 4)}, "a", "a1 b1 b2 a2"),
        ({"a": chunk(1, 2), "b": chunk(1, 3)}, "ab", "a1 b1 a2"),
        ({"a": chunk(NEVER), "b": chunk(1)}, "a", "a1"),
        ({"a": chunk(NEVER), "b": chunk(1)}, "b", "a1 b1"),
        # also where both end at once, there is always something
        ({"a": chunk(1), "b": chunk(1)}, "ab", "a1 b1"),
    ],
)
def test_lines_are_in_the_order_of_their_times(
    logs: dict[str, Chunk], unfinished: str, wanted: str
) -> None:
    assert order(logs, unfinished) == wanted


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        ("1 2 3", [1, 2, 3]),
        ("5 2 7", [5, 5, 7]),  # a clock was set back: the log's own order stays
        ("- 2 - 3 -", [2, 2, 2, 3, 3]),  # lines without times go with those before
        ("- -", [NEVER, NEVER]),
    ],
)
def test_no_time_of_a_log_is_less_than_the_one_before(seconds: str, wanted: list[float]) -> None:
    text = "".join(
        "  at something\n" if one == "-" else f"2026-11-29 10:00:0{one} x\n"
        for one in seconds.split()
    )
    times = [item.time for item in Chunks(100).chunk("a", read(text)).items]
    ten = datetime(2026, 11, 29, 10, tzinfo=UTC).timestamp()
    assert [time if time == NEVER else time - ten for time in times] == wanted


def test_each_line_says_its_log_and_gets_the_id_of_the_moment_when_it_is_sent() -> None:
    chunks = Chunks(100)
    [item] = chunks.chunk("web", read("one\n")).items
    [event] = parse(chunks.with_id(item.frames, "ID"))
    assert (event.data, event.id) == ('{"log": "web", "line": "one"}', "ID")
    assert item.end.position.offset == 4


def test_a_line_cannot_name_what_stands_for_the_id() -> None:
    first, second = Chunks(100), Chunks(100)
    [item] = first.chunk("a", read("x\n")).items
    untold = parse(item.frames)[0].id
    [other] = second.chunk("a", read(f"{untold}\n")).items
    assert untold in parse(second.with_id(other.frames, "ID"))[0].data


@pytest.mark.parametrize(
    ("name", "details", "id"),
    [("rotated", {"from": "1-1-1"}, ""), ("gap", gap("1-1-1", place(0), "lost"), "ID")],
)
def test_what_happens_to_a_log_is_an_item_that_only_has_an_id_if_it_is_a_gap(
    name: str, details: dict[str, object], id: str
) -> None:
    following = Generation(1)
    chunks = Chunks(100)
    change = Change(place(9), place(0, following), name, details)
    one = chunks.chunk("a", change)
    [item] = one.items
    [event] = parse(chunks.with_id(item.frames, "ID"))
    assert (event.type, event.id) == (name, id)
    assert '"log": "a"' in event.data
    assert (item.time, one.start, one.end) == (NEVER, place(9), place(0, following))


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        (place(0), [1, 2, 3]),
        (place(1), [2, 3]),
        (place(2), [3]),
        (place(3), None),  # nothing is left
        (place(9), None),
        (place(1, Generation(0)), None),  # of another file
        (Place(GENERATION, Position(1, 7, 7)), None),  # of another content
    ],
)
def test_the_rest_of_a_chunk(after: Place, wanted: list[int] | None) -> None:
    rest = chunk(1, 2, 3).after(after)
    assert (rest and [item.end.position.offset for item in rest.items]) == wanted
    assert rest is None or rest.start == after


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        (place(3), [1, 2, 3]),
        (place(9), [1, 2, 3]),
        (place(2), [1, 2]),
        (place(1), [1]),
        (place(0), [1]),  # it may lead past the end, or nothing would ever come
        (place(1, Generation(1)), [1, 2, 3]),  # in another file
    ],
)
def test_a_chunk_up_to_a_place(end: Place, wanted: list[int]) -> None:
    items = chunk(1, 2, 3).up_to(end).items
    assert [item.end.position.offset for item in items] == wanted


@pytest.mark.parametrize(
    ("logs", "count", "wanted"),
    [
        ({"a": [1, 2, 3], "b": [4, 5]}, 3, {"a": 1, "b": 2}),
        ({"a": [1, 3, 5], "b": [2, 4]}, 2, {"a": 1, "b": 1}),
        ({"a": [1], "b": [2]}, 9, {"a": 1, "b": 1}),
        ({"a": [1, 1], "b": [1, 1]}, 1, {"a": 0, "b": 1}),
        ({"a": [], "b": [1, 2]}, 1, {"a": 0, "b": 1}),
        # logs without times have no place among others: each gives its part
        ({"a": [NEVER] * 9, "b": [NEVER] * 9}, 4, {"a": 2, "b": 2}),
        ({"a": [NEVER] * 9, "b": [NEVER]}, 4, {"a": 3, "b": 1}),
        ({"a": [NEVER] * 9, "b": [1, 2, 3]}, 4, {"a": 2, "b": 2}),
        ({"a": [NEVER] * 9, "b": [1]}, 4, {"a": 3, "b": 1}),
        ({"a": [NEVER] * 9, "b": [NEVER] * 9}, 1, {"a": 1, "b": 0}),
    ],
)
def test_which_lines_are_the_last_ones_of_all_logs_together(
    logs: dict[str, list[float]], count: int, wanted: dict[str, int]
) -> None:
    lines = {
        name: [(time, place(number)) for number, time in enumerate(times, 1)]
        for name, times in logs.items()
    }
    places = youngest(lines, count)
    kept = {
        name: len(times) - (places[name].position.offset if name in places else 0)
        for name, times in logs.items()
    }
    assert kept == wanted
