"""What the doctor makes of answers, whoever they came from."""

from dataclasses import replace

import pytest

from server.doctor.diagnosis import (
    INTERVAL,
    NUMBERS,
    Answer,
    bunches,
    held_back,
    judge_head,
    judge_pace,
    judge_resume,
    judge_silence,
    judge_start,
)
from server.doctor.ills import ILLS

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
}

WELL = Answer("/stream-numbers", headers=HEADERS, first_byte=0.01)


def numbers(times: list[float], first: int = 1) -> tuple[tuple[float, str], ...]:
    return tuple((when, f"id: {n}\ndata: {n}\n") for n, when in enumerate(times, first))


ON_TIME = [turn * INTERVAL for turn in range(NUMBERS)]
LAST = ON_TIME[-1]


@pytest.mark.parametrize(
    ("times", "held"),
    [
        ([5.0, 6.0, 7.0], [0, 0, 0]),  # the clocks need not agree
        ([5.0, 6.5, 8.0], [0, 0, 0]),  # a server that is slow holds nothing back
        ([5.0, 6.5, 7.0], [0, 0.5, 0]),
        ([7.0, 7.0, 7.0], [2, 1, 0]),  # all at the end
        ([5.0, 7.0, 7.0, 8.0], [0, 1, 0, 0]),
        ([5.0, 6.5, 8.5, 8.5], [0, 0, 1, 0]),
        ([], []),
    ],
)
def test_what_is_held_back_is_told_from_the_spacing_alone(
    times: list[float], held: list[float]
) -> None:
    assert held_back(times, 1.0) == held


@pytest.mark.parametrize(
    ("times", "count"),
    [([], 0), ([9.0] * 10, 1), (ON_TIME, NUMBERS), ([1.0, 1.0, 1.0, 1.9, 1.91, 2.8], 3)],
)
def test_a_bunch_is_what_comes_in_one_go(times: list[float], count: int) -> None:
    assert bunches(times) == count


@pytest.mark.parametrize(
    ("times", "ended", "names"),
    [
        (ON_TIME, LAST, []),
        ([when + 100 for when in ON_TIME], None, []),  # WELL's first byte came in time
        ([1.3 * when for when in ON_TIME], 1.3 * LAST, []),  # a server that is slow
        ([when + 0.1 * (turn % 2) for turn, when in enumerate(ON_TIME)], LAST, []),
        # a machine that pauses once holds two events back
        ([*ON_TIME[:4], ON_TIME[6], ON_TIME[6], *ON_TIME[6:]], LAST, []),
        ([LAST] * NUMBERS, LAST, ["buffering"]),
        # the first few are held back, the rest is on time
        ([ON_TIME[3]] * 3 + ON_TIME[3:], LAST, ["buffering"]),
        ([ON_TIME[turn | 1] for turn in range(NUMBERS)], LAST, ["buffering"]),
        (ON_TIME[:3], None, ["buffering"]),
        ([], None, ["buffering"]),
        (ON_TIME[:3], ON_TIME[3], ["cut"]),
        ([], 0.1, ["cut"]),
        ([0.01] * NUMBERS, 0.01, ["stored"]),
        ([*ON_TIME, LAST], LAST, ["lost"]),
    ],
)
def test_events_come_at_their_time_or_are_held_back(
    times: list[float], ended: float | None, names: list[str]
) -> None:
    answer = replace(WELL, frames=numbers(times), ended=ended)
    assert [finding.name for finding in judge_pace(answer)] == names


@pytest.mark.parametrize(
    ("headers", "end"),
    [({}, "; the header X-Accel-Buffering is missing"), ({"x-accel-buffering": "no"}, " 2.2 s")],
)
def test_a_proxy_that_was_not_asked_to_pass_events_on_is_told_apart(
    headers: dict[str, str], end: str
) -> None:
    answer = replace(WELL, headers={**HEADERS, **headers}, frames=numbers([LAST] * NUMBERS))
    [finding] = judge_pace(answer)
    assert finding.seen.endswith(end)


@pytest.mark.parametrize(
    ("first_byte", "status", "names"),
    [
        (0.01, 200, []),
        (3.0, 200, ["buffering"]),
        (None, 200, ["buffering"]),
        (None, 0, ["buffering"]),
    ],
)
def test_a_stream_begins_at_once(first_byte: float | None, status: int, names: list[str]) -> None:
    answer = replace(WELL, first_byte=first_byte, status=status)
    assert [finding.name for finding in judge_start(answer)] == names


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"content-type": "text/event-stream"}, []),
        ({"content-type": "Text/Event-Stream;charset=UTF-8"}, []),
        ({"content-type": "text/plain"}, ["content-type"]),
        ({"content-type": ""}, ["content-type"]),
        ({"cache-control": "no-store,no-transform"}, []),
        ({"cache-control": "no-cache"}, ["cache-control"]),
        ({"cache-control": "no-transform, max-age=60"}, ["cache-control"]),
        ({"cache-control": ""}, ["cache-control"]),
    ],
)
def test_headers_are_those_that_streams_need(changes: dict[str, str], names: list[str]) -> None:
    answer = replace(WELL, headers={**HEADERS, **changes})
    assert [finding.name for finding in judge_head(answer)] == names


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (204, "status"),
        (301, "redirect"),
        (308, "redirect"),
        (400, "status"),
        (401, "token"),
        (403, "forbidden"),
        (404, "not-found"),
        (406, "status"),
        (429, "full"),
        (500, "status"),
        (502, "away"),
        (503, "away"),
        (504, "away"),
    ],
)
def test_each_status_has_its_reason(status: int, name: str) -> None:
    answer = replace(WELL, status=status)
    assert [finding.name for finding in judge_head(answer)] == [name]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the token is wrong: give another\nand more", ", 'the token is wrong: give another'"),
        ("<html>\n<TITLE>\nSign in\n</TITLE>", ", 'Sign in'"),
        ("<h1>Forbidden</h1>", ""),
        ("", ""),
        ("\x1b[2J", r", '\x1b[2J'"),
        ("x" * 1000, f", '{'x' * 200}'"),
    ],
)
def test_the_server_s_own_reason_is_told(text: str, said: str) -> None:
    [finding] = judge_head(replace(WELL, status=403, reason="Forbidden", text=text))
    assert finding.seen == f"/stream-numbers: 403 Forbidden{said}"


@pytest.mark.parametrize(
    ("comments", "ended", "seen"),
    [
        ([], None, None),
        ([15.0], None, None),
        ([], 10.0, "ended 10.0 s after the last byte, before a keep-alive comment"),
        ([15.0, 30.0], 50.0, "ended 20.0 s after the last byte, keep-alive comments had come"),
    ],
)
def test_silence_does_not_end_a_stream(
    comments: list[float], ended: float | None, seen: str | None
) -> None:
    frames = (*numbers([0.0]), *((when, ": keep-alive\n") for when in comments))
    found = list(judge_silence(replace(WELL, frames=frames, ended=ended)))
    assert [one.name for one in found] == (["time-out"] if seen else [])
    assert seen is None or found[0].seen.endswith(seen)


@pytest.mark.parametrize("lines", [":" * 64 + "\nx\n", ":\n" * 64 + "x", ""])
def test_a_comment_is_told_from_what_looks_like_one_for_long(lines: str) -> None:
    assert Answer("/stream-numbers", frames=((0.0, lines),)).comments == []
    assert Answer("/stream-numbers", frames=((0.0, f":{lines}".replace("x", ":")),)).comments == [0]


def test_titles_without_end_take_no_time() -> None:
    answer = replace(WELL, status=403, text="<title>" * 40_000)
    [finding] = judge_head(answer)
    assert finding.seen == "/stream-numbers: 403"


def test_what_came_too_much_is_what_is_told() -> None:
    answer = replace(WELL, frames=numbers([0.0] * 1000), too_long=True)
    for judge in (judge_head, judge_pace, judge_silence):
        assert [finding.name for finding in judge(answer)] == ["too-much"]


def test_of_many_wrong_numbers_the_first_are_told() -> None:
    [finding] = judge_pace(replace(WELL, frames=numbers([0.0] * 1000, 2)))
    assert finding.name == "lost"
    assert finding.seen.endswith("28, 29, 30, 31], and more")


@pytest.mark.parametrize(
    ("status", "names"),
    [(204, []), (200, ["last-event-id"]), (401, ["token"]), (0, ["buffering"])],
)
def test_a_client_that_had_it_all_is_sent_away(status: int, names: list[str]) -> None:
    answer = replace(WELL, status=status, first_byte=None if status == 0 else 0.1)
    assert [finding.name for finding in judge_resume(answer)] == names


def test_each_remedy_is_a_sentence_and_each_setting_names_its_proxy() -> None:
    for ill in ILLS.values():
        assert ill.remedy.endswith((".", ".)"))
        names = {line.partition(": ")[0] for line in ill.settings}
        assert names <= {"nginx", "HAProxy", "Caddy", "Apache"}
