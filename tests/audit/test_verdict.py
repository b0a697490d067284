"""The verdict must be able to fail: each planted fault is reported, and a clean record is not."""

import pytest

from tests.audit.clients import Client
from tests.audit.disk import Destroyed, Span
from tests.audit.verdict import FAILURES, UNPROVABLE, Action, Record, Serving, Verdict
from tests.audit.writer import clock

LINES = 20


def frame(number: int) -> bytes:
    return b"id: %d-1-1\ndata: %d|text|%d\n\n" % (number, number, number)


def gap(why: str = "no longer on disk") -> bytes:
    return b'event: gap\nid: 9-9-9\ndata: {"why": "%b"}\n\n' % why.encode()


def frames(*numbers: int) -> list[bytes]:
    return [frame(number) for number in numbers]


ALL = frames(*range(1, LINES + 1))


def judged(
    pieces: list[bytes], *destroyed: Destroyed, actions: tuple[str, ...] = ()
) -> dict[str, int]:
    """The faults that the verdict finds in a client that got these frames after these actions."""
    client = Client("client", "from=start", 0)
    acted = [Action(clock(), name) for name in actions]
    client.feed(b"HTTP/1.0 200 OK\r\n\r\nretry: 1\n: stream opened\n\n" + b"".join(pieces))
    record = Record(
        last=LINES,
        times=[float(number) for number in range(LINES + 1)],
        destroyed=list(destroyed),
        pieces={b"12|a piece"},
        actions=acted,
    )
    verdict = Verdict(record, [client])
    verdict.judge_all()
    return {kind: verdict.counts[kind] for kind in FAILURES if verdict.counts[kind]}


GONE = Destroyed(Span(5, 8), since=0.0, action="rotate", seen=True)

CASES: dict[str, tuple[list[bytes], tuple[Destroyed, ...], dict[str, int]]] = {
    "clean": (ALL, (), {}),
    "a planted loss": (ALL[:9] + ALL[10:], (), {"lost": 1}),
    "a planted loss at the end": (ALL[:-3], (), {"lost": 3}),
    "a doubled line": (ALL[:10] + ALL[9:], (), {"doubled": 1}),
    "a disorder": (
        [*ALL[:9], *frames(11, 10), *ALL[11:]], (), {"lost": 2, "out of order": 1}
    ),
    "a false gap": ([*ALL[:10], gap(), *ALL[10:]], (), {"false gaps": 2}),
    "a corrupt line": (
        [*ALL[:9], b"id: 1-1-1\ndata: 10|text|11\n\n", *ALL[10:]], (), {"lost": 1, "corrupt": 1}
    ),
    "a piece that stood in a file": (
        [*ALL, b"id: 1-1-1\ndata: 12|a piece\n\n"], (), {}
    ),
    "lines that were destroyed, and it was told": (
        [*ALL[:4], gap(), *ALL[8:]], (GONE,), {}
    ),
    "a line in two parts": (
        [
            *ALL[:9],
            b'event: unfinished\ndata: {"line": "1-1-1"}\n\nid: 1-1-1\ndata: 10|te\n\n',
            b'event: continued\ndata: {"line": "2-1-1"}\n\nid: 2-1-1\ndata: xt|10\n\n',
            *ALL[10:],
        ],
        (),
        {},
    ),
    "a line of which a part came twice": (
        [
            *ALL[:9],
            b'event: unfinished\ndata: {"line": "1-1-1"}\n\nid: 1-1-1\ndata: 10|te\n\n',
            b'event: continued\ndata: {"line": "2-1-1"}\n\nid: 2-1-1\ndata: text|10|te\n\n',
            *ALL[10:],
        ],
        (),
        {"lost": 1, "corrupt": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_planted_fault_is_reported_and_nothing_else(name: str) -> None:
    pieces, destroyed, wanted = CASES[name]
    assert judged(pieces, *destroyed) == wanted


@pytest.mark.parametrize("why", UNPROVABLE)
@pytest.mark.parametrize(
    ("actions", "wanted"),
    [(("rotate",), {}), (("new_client",), {"false gaps": 2}), ((), {"false gaps": 2})],
)
def test_a_gap_that_cannot_be_told_from_a_true_one_needs_a_reason(
    why: str, actions: tuple[str, ...], wanted: dict[str, int]
) -> None:
    assert judged([*ALL[:10], gap(why), *ALL[10:]], actions=actions) == wanted


def test_lines_that_went_while_a_client_was_connected_must_be_told() -> None:
    client = Client("client", "from=start", 0)
    client.feed(b"HTTP/1.0 200 OK\r\n\r\n" + b"".join(ALL[:4]))
    between = clock()
    client.feed(b"".join(ALL[8:]))
    times = [0.0] * (LINES + 1)
    destroyed = [Destroyed(Span(5, 8), between, "rotate", True)]
    record = Record(LINES, times, destroyed, servers=[Serving([-1.0])])
    verdict = Verdict(record, [client])
    verdict.judge_all()
    assert verdict.counts["silent"] == 4


@pytest.mark.parametrize(
    ("query", "written", "lost"),
    [("backlog=0", "before", 0), ("backlog=0", "after", LINES), ("from=start", "before", LINES)],
)
def test_a_client_that_got_nothing_misses_what_was_written_after_it_came(
    query: str, written: str, lost: int
) -> None:
    client = Client("client", query, 0)
    before = clock()
    client.feed(b"HTTP/1.0 200 OK\r\n\r\nid: 1-1-1\n\n")
    times = [before if written == "before" else clock()] * (LINES + 1)
    verdict = Verdict(Record(LINES, times), [client])
    verdict.judge_all()
    assert verdict.counts["lost"] == lost


@pytest.mark.parametrize(("rest_of", "lost"), [(3, 0), (4, 1)])
def test_a_new_client_gets_the_rest_of_a_line_of_which_a_part_was_there_before(
    rest_of: int, lost: int
) -> None:
    client = Client("client", "backlog=0", 0)
    client.feed(b"HTTP/1.0 200 OK\r\n\r\nid: 1-1-1\n\n")
    opened = clock()
    rest = b"event: continued\ndata: {}\n\nid: 2-1-1\ndata: xt|%d\n\n" % rest_of
    client.feed(rest + b"".join(ALL[rest_of:]))
    times = [opened + (1 if number > 2 else -1) for number in range(LINES + 1)]
    verdict = Verdict(Record(LINES, times, pieces={b"xt|%d" % rest_of}), [client])
    verdict.judge_all()
    assert verdict.counts["lost"] == lost


def test_a_refusal_is_reported() -> None:
    client = Client("client", "from=start", 0)
    client.feed(b"HTTP/1.0 503 Service Unavailable\r\n\r\n" + b"".join(ALL))
    verdict = Verdict(Record(LINES, [0.0] * (LINES + 1)), [client])
    verdict.judge_all()
    assert verdict.counts["refused"] == 1


@pytest.mark.parametrize(("server", "silent"), [(0, 4), (1, 0)])
def test_each_server_knows_only_what_it_has_seen_itself(server: int, silent: int) -> None:
    """The other one was asked for the log when the lines were there already."""
    client = Client("client", "from=start", 0)
    client.server = server
    client.feed(b"HTTP/1.0 200 OK\r\n\r\n" + b"".join(ALL[:4]))
    between = clock()
    client.feed(b"".join(ALL[8:]))
    times = [0.0] * (LINES + 1)
    destroyed = [Destroyed(Span(5, 8), between, "rotate", True)]
    servers = [Serving([-1.0]), Serving([-1.0, between])]
    verdict = Verdict(Record(LINES, times, destroyed, servers=servers), [client])
    verdict.judge_all()
    assert verdict.counts["silent"] == silent


@pytest.mark.parametrize(("moved_by", "silent"), [(0, 4), (1, 0)])
def test_a_server_that_moved_a_client_past_lines_that_it_could_not_know_of_may_be_left_since(
    moved_by: int, silent: int
) -> None:
    """Whoever goes on from there has never been asked for them."""
    client = Client("client", "from=start", 0)
    client.feed(b"HTTP/1.0 200 OK\r\n\r\n" + b"".join(ALL[:4]))
    between = clock()
    client.server = moved_by
    client.feed(b'event: rotated\ndata: {"from": "4-1-1"}\n\n')
    client.server = 0
    client.feed(b"".join(ALL[8:]))
    times = [0.0] * (LINES + 1)
    destroyed = [Destroyed(Span(5, 8), between, "rotate", True)]
    servers = [Serving([-1.0]), Serving([between, clock()])]
    verdict = Verdict(Record(LINES, times, destroyed, servers=servers), [client])
    verdict.judge_all()
    assert verdict.counts["silent"] == silent


CUT = Destroyed(Span(5, 8), since=20.0, action="cut_back", seen=True)


@pytest.mark.parametrize(("start", "lost"), [(-1.0, 4), (21.0, 0)])
def test_lines_after_the_end_that_was_cut_off_are_lost_to_a_server_that_did_not_see_that(
    start: float, lost: int
) -> None:
    """What is left looks like a copy that was made before the client had its last line."""
    client = Client("client", "from=start", 0)
    client.feed(b"HTTP/1.0 200 OK\r\n\r\n" + b"".join(ALL[:8]))
    client.feed(b"".join(ALL[12:]))
    times = [0.0] * (LINES + 1)
    record = Record(LINES, times, [CUT], servers=[Serving([start])])
    verdict = Verdict(record, [client])
    verdict.judge_all()
    assert verdict.counts["lost"] == lost


@pytest.mark.parametrize(("start", "false"), [(-1.0, 2), (21.0, 0)])
def test_a_place_is_not_known_to_a_server_that_has_not_seen_what_stood_before_it(
    start: float, false: int
) -> None:
    """The front of the log was cut off, up to right before the client's last line."""
    client = Client("client", "from=start", 0)
    client.feed(b"HTTP/1.0 200 OK\r\n\r\n" + b"".join(ALL[:10]))
    client.feed(gap("not in the log") + b"".join(ALL[10:]))
    cut = Destroyed(Span(1, 8), since=20.0, action="cut_the_front", seen=True)
    times = [0.0] * (LINES + 1)
    verdict = Verdict(Record(LINES, times, [cut], servers=[Serving([start])]), [client])
    verdict.judge_all()
    assert verdict.counts["false gaps"] == false


@pytest.mark.parametrize(("starts", "false"), [((0.0, 30.0), 0), ((30.0, 0.0), 2)])
def test_a_gap_is_judged_by_what_the_server_knew_that_told_it(
    starts: tuple[float, float], false: int
) -> None:
    """The lines after it may come from another one."""
    client = Client("client", "from=start", 0)
    client.feed(b"HTTP/1.0 200 OK\r\n\r\n" + b"".join(ALL[:10]))
    client.server = 1
    client.feed(gap("not in the log"))
    client.server = 0
    client.feed(b"".join(ALL[10:]))
    cut = Destroyed(Span(1, 8), since=20.0, action="cut_the_front", seen=True)
    times = [0.0] * (LINES + 1)
    servers = [Serving([start]) for start in starts]
    verdict = Verdict(Record(LINES, times, [cut], servers=servers), [client])
    verdict.judge_all()
    assert verdict.counts["false gaps"] == false


@pytest.mark.parametrize(
    ("action", "lines", "false"),
    [
        ("cut_back", 12, 0),
        ("cut_back", 50, 2),
        ("rotate", 12, 2),
    ],
)
def test_a_gap_may_come_a_few_lines_after_those_that_were_cut_back(
    action: str, lines: int, false: int
) -> None:
    """It is not known where a long log was cut that was written on at once."""
    client = Client("client", "from=start", 0)
    first, later = frames(*range(1, 5)), frames(*range(9, 9 + lines))
    rest = frames(*range(9 + lines, 100))
    client.feed(b"HTTP/1.0 200 OK\r\n\r\n" + b"".join([*first, *later, gap(), *rest]))
    gone = Destroyed(Span(5, 8), since=0.0, action=action, seen=True)
    verdict = Verdict(Record(99, [0.0] * 100, [gone]), [client])
    verdict.judge_all()
    assert verdict.counts["false gaps"] == false
