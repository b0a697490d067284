"""Events are found within many frames by their ids, and only by these."""

import pytest

from server.sse.frames import after_id, count_ids, id_before

FRAMES = (
    b"event: gap\nid: a\ndata: {}\n\n"
    b"id: b\ndata: id: c\ndata: \n\n"
    b"event: clipped\ndata: {}\n\n"
    b"id: c\ndata: text\n\n"
)


@pytest.mark.parametrize(
    ("frames", "count"), [(b"", 0), (b"data: id: b\n\n", 0), (FRAMES, 3), (FRAMES[27:], 2)]
)
def test_only_fields_are_counted(frames: bytes, count: int) -> None:
    assert count_ids(frames) == count


@pytest.mark.parametrize(
    ("id", "rest"),
    [
        ("a", FRAMES[27:]),
        ("b", b"event: clipped\ndata: {}\n\nid: c\ndata: text\n\n"),
        ("c", b""),
        ("d", None),
        ("", None),
    ],
)
def test_what_follows_an_id_begins_after_its_whole_frame(id: str, rest: bytes | None) -> None:
    assert after_id(FRAMES, id) == rest


def test_the_first_frame_may_have_the_id() -> None:
    assert after_id(b"id: b\ndata: x\n\nid: c\n\n", "b") == b"id: c\n\n"


@pytest.mark.parametrize(("count", "id"), [(0, "c"), (1, "b"), (2, "a")])
def test_the_id_before_the_last_ones(count: int, id: str) -> None:
    assert id_before(FRAMES, count) == id


def test_the_id_before_all_others_may_stand_first() -> None:
    assert id_before(b"id: b\ndata: x\n\nid: c\n\n", 1) == "b"
