"""What the follower does next: tables, without files, threads or clocks."""

import pytest

from server.logs.decisions import (
    LATE,
    MOST_LATE,
    QUIET,
    RESTART,
    STALLED,
    UNFINISHED,
    Found,
    Lateness,
    Look,
    Next,
    Recovery,
    TailState,
    decide,
    is_finished,
    must_stop_tail,
    next_lateness,
    recover,
    wants_new_tail,
)
from server.logs.files import QUIET_WRITER


def look(
    is_live: bool = True,
    is_unchanged: bool = True,
    unread: int = 0,
    quiet: float = 0.0,
    has_unfinished: bool = False,
) -> Look:
    return Look(is_live, is_unchanged, unread, quiet, has_unfinished)


@pytest.mark.parametrize(
    ("seen", "action"),
    [
        (look(), Next.READ),
        (look(unread=5), Next.READ),
        (look(is_unchanged=False), Next.RECOVER),
        (look(is_unchanged=False, is_live=False, unread=5), Next.RECOVER),
        (look(is_live=False), Next.TRY_TO_FINISH),
        (look(is_live=False, unread=5), Next.READ),
        (look(has_unfinished=True, quiet=UNFINISHED - 0.1), Next.READ),
        (look(has_unfinished=True, quiet=UNFINISHED), Next.SHOW_UNFINISHED),
        (look(has_unfinished=True, quiet=UNFINISHED, unread=1), Next.READ),
        # the file was renamed: perhaps no other one ever takes its place
        (look(has_unfinished=True, quiet=UNFINISHED, is_live=False), Next.SHOW_UNFINISHED),
        (look(has_unfinished=True, quiet=UNFINISHED - 0.1, is_live=False), Next.TRY_TO_FINISH),
    ],
)
def test_after_a_look_the_follower_does_this(seen: Look, action: Next) -> None:
    assert decide(seen) is action


@pytest.mark.parametrize(
    ("has_successor", "has_writer", "quiet", "finished"),
    [
        (False, False, 1000.0, False),  # nothing has taken its place
        (True, False, 0.0, True),
        (True, True, QUIET_WRITER - 1, False),
        (True, True, QUIET_WRITER, True),  # given up
        (True, None, QUIET - 0.1, False),  # writers cannot be found out
        (True, None, QUIET, True),
    ],
)
def test_a_file_that_was_renamed_is_finished_when_nobody_writes_to_it(
    has_successor: bool, has_writer: bool | None, quiet: float, finished: bool
) -> None:
    assert is_finished(has_successor, has_writer, quiet) is finished


@pytest.mark.parametrize(
    ("tail", "seen", "starts", "stops"),
    [
        (TailState(False, False, RESTART), look(), True, False),
        (TailState(False, False, RESTART - 0.1), look(), False, False),
        (TailState(False, False, RESTART), look(is_live=False), False, False),
        (TailState(True, False, RESTART), look(), False, False),
        (TailState(True, True, RESTART), look(), False, True),
        (TailState(True, False, RESTART), look(is_live=False), False, True),
        (TailState(True, False, RESTART, STALLED + 0.1), look(), False, True),
        (TailState(True, False, RESTART, STALLED - 0.1), look(), False, False),
        (TailState(True, False, RESTART), look(unread=0, quiet=1000), False, False),
    ],
)
def test_tail_runs_for_the_log_itself_and_is_replaced_when_it_is_stuck(
    tail: TailState, seen: Look, starts: bool, stops: bool
) -> None:
    assert wants_new_tail(tail, seen) is starts
    assert must_stop_tail(tail, seen) is stops


FIRST = (0.0, True)
"""A look after tail has handed over what nobody had read."""


@pytest.mark.parametrize(
    ("looks", "times", "is_no_accident"),
    [
        ([], 0, False),
        ([FIRST] * 9, 0, False),
        ([(LATE - 0.1, False)] * 9, 0, False),
        ([(LATE, False)], 1, False),
        ([(LATE, False), (LATE + 0.1, False), (1.0, False)], 1, False),  # the same delay
        ([(LATE, False), (0.1, False), (LATE, False)], 1, False),  # and still
        ([(LATE, False), (0.0, False)] * 2, 2, False),
        ([(LATE, False), (0.0, False)] * MOST_LATE, MOST_LATE, True),
        ([(0.1, False), (0.9, False), (0.0, False)] * MOST_LATE, MOST_LATE, True),
        ([(LATE, False), (0.0, False)] * (MOST_LATE - 1) + [FIRST, (LATE, False)], 1, False),
        ([(LATE, False), (0.0, False), FIRST] * 9, 0, False),
    ],
)
def test_tail_is_late_by_no_accident_if_it_is_again_and_again_and_never_first(
    looks: list[tuple[float, bool]], times: int, is_no_accident: bool
) -> None:
    lateness = Lateness()
    for behind, was_first in looks:
        lateness = next_lateness(lateness, behind, was_first)
    assert (lateness.times, lateness.is_no_accident) == (times, is_no_accident)


@pytest.mark.parametrize(
    ("found", "recovery"),
    [
        (Found(True, 100, 100, 50), Recovery.IN_COPY),
        (Found(False, 100, 100, None), Recovery.AT_EQUAL),  # truncate -s: all of it was sent
        (Found(False, 100, 60, None), Recovery.AT_START),  # it begins alike, and goes on otherwise
        (Found(False, 10_000, 5_000, None), Recovery.AT_EQUAL),  # and written on since
        (Found(False, 0, 0, None), Recovery.AT_START),
        (Found(False, 100, 0, 50), Recovery.AT_MOVED),
        (Found(False, 100, 0, None), Recovery.AT_START),
    ],
)
def test_after_a_truncation_the_follower_goes_on_there(found: Found, recovery: Recovery) -> None:
    assert recover(found) is recovery
