"""Ids of merged streams say where a client is in each log, and forged ones break nothing."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.feeds.composite import LENGTH, pack, position_in, tag_of, unpack
from server.feeds.contract import MOST_LOGS
from server.logs.position import START, Position

A, B = Position(5, 0x3610A686, 0x3610A686), Position(0x1234567, 0xDEADBEEF, 0x1)

POSITIONS = st.builds(
    Position,
    st.integers(0, 2**55 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)


@pytest.mark.parametrize(
    ("name", "position", "part"),
    [
        ("app.log", START, "zhz7AAAAAAAAAAAAAAAAAAAA"),
        ("app.log", A, "zhz7AAAAAAAABTYQpoY2EKaG"),
        ("web.log", B, "--LFAAAAASNFZ96tvu8AAAAB"),
    ],
)
def test_what_an_id_says_of_a_log(name: str, position: Position, part: str) -> None:
    assert pack(name, position) == part
    assert unpack(part, [name]) == {name: position}


@given(st.dictionaries(st.text(max_size=30), POSITIONS, max_size=MOST_LOGS, min_size=1))
def test_all_logs_of_an_id_are_found_again(positions: dict[str, Position]) -> None:
    id = "".join(pack(name, positions[name]) for name in sorted(positions))
    assert len(id) <= 24 * len(positions)
    assert id.isascii()
    assert unpack(id, positions) == positions


@given(st.text(max_size=100))
def test_no_text_breaks_it(text: str) -> None:
    unpack(text, ["app.log"])
    position_in(text, "app.log")


def test_the_id_changes_by_one_log_alone() -> None:
    before = pack("a", A) + pack("b", A)
    after = pack("a", B) + pack("b", A)
    assert [before[:LENGTH] == after[:LENGTH], before[LENGTH:] == after[LENGTH:]] == [False, True]


def test_logs_that_are_not_asked_for_are_left_out_and_new_ones_are_not_there() -> None:
    assert unpack(pack("a", A) + pack("b", B), ["b", "c"]) == {"b": B}


def test_the_order_of_names_tells_logs_with_the_same_tag_apart() -> None:
    names = ["crayqj.log", "zflxvz.log"]
    assert tag_of(names[0]) == tag_of(names[1])
    assert unpack(pack(names[0], A) + pack(names[1], B), reversed(names)) == {
        names[0]: A,
        names[1]: B,
    }


@pytest.mark.parametrize(
    "id",
    [
        "",
        "no id",
        "0-0-0",
        pack("a", A)[:-1],
        pack("a", A) + "=",
        pack("a", A)[:-1] + "é",
        pack("a", A)[:-1] + "+",
        pack("a", A)[:-1] + "/",
        " " + pack("a", A)[1:],
        pack("a", A) * (MOST_LOGS + 1),
        urlsafe_b64encode(tag_of("a") + b"\xff" * 15).decode()[:-1] + "\n",
    ],
)
def test_what_is_no_such_id(id: str) -> None:
    assert unpack(id, ["a"]) is None


def test_offsets_have_so_many_bits_as_those_of_files() -> None:
    longest = Position(2**55 - 1, 2**32 - 1, 2**32 - 1)
    assert unpack(pack("a", longest), ["a"]) == {"a": longest}


@pytest.mark.parametrize(
    ("id", "position"),
    [
        (str(B), B),
        ("1234567-12345678-1234567", Position(0x1234567, 0x12345678, 0x1234567)),  # 24 characters
        (pack("a", A) + pack("b", B), B),
        (pack("a", A), None),
        ("nothing", None),
    ],
)
def test_the_position_in_one_log_is_in_ids_of_any_stream(id: str, position: Position) -> None:
    assert position_in(id, "b") == position
