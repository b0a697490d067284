"""How fast a token can be guessed."""

import concurrent.futures
from pathlib import Path

import pytest

from server.settings import Settings
from server.web.access import Access
from server.web.guessing import (
    FORGOTTEN_AFTER,
    FREE,
    LONGEST,
    MOST_ADDRESSES,
    Guesses,
    TooSoonError,
)
from tests.running import Server, running, wait_until

TOKEN = "correct-horse-battery-staple"


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guesses(clock: Clock) -> Guesses:
    return Guesses(clock)


def note(guesses: Guesses, address: str, count: int) -> None:
    for number in range(count):
        guesses.note_wrong(address, f"wrong{number}")


@pytest.mark.parametrize(
    ("wrong", "wait"),
    [
        (0, 0), (1, 0), (4, 0), (5, 1), (6, 2), (7, 4), (8, 8), (9, 16), (10, 30), (11, 30),
        (100_000, 30),
    ],
)  # fmt: skip
def test_a_few_wrong_tokens_are_free_and_each_further_one_doubles_the_wait_up_to_a_bound(
    guesses: Guesses, wrong: int, wait: int
) -> None:
    note(guesses, "9.9.9.9", wrong)
    assert guesses.wait("9.9.9.9") == wait


def test_a_wait_ends_and_is_told_in_whole_seconds_that_suffice(
    guesses: Guesses, clock: Clock
) -> None:
    note(guesses, "9.9.9.9", 7)
    for passed, wait in ((0.0, 4), (0.5, 4), (1.0, 3), (3.9, 1), (4.0, 0), (5.0, 0)):
        clock.now = 1000 + passed
        assert guesses.wait("9.9.9.9") == wait, passed


@pytest.mark.parametrize(
    ("guesser", "other", "is_the_same"),
    [
        ("9.9.9.9", "9.9.9.9", True),
        ("9.9.9.9", "9.9.9.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("local", "local", True),
    ],
)
def test_an_address_waits_alone_and_an_ipv6_network_together(
    guesses: Guesses, guesser: str, other: str, is_the_same: bool
) -> None:
    note(guesses, guesser, 10)
    assert guesses.wait(other) == (30 if is_the_same else 0)
    assert guesses.is_known(other, "wrong9") is is_the_same


def test_an_address_without_a_wrong_token_for_long_begins_anew(
    guesses: Guesses, clock: Clock
) -> None:
    note(guesses, "9.9.9.9", 10)
    clock.now += FORGOTTEN_AFTER - 1
    note(guesses, "9.9.9.9", 1)
    assert guesses.wait("9.9.9.9") == 30
    clock.now += FORGOTTEN_AFTER
    note(guesses, "9.9.9.9", 1)
    assert guesses.wait("9.9.9.9") == 0


@pytest.mark.parametrize("rest_after", [None, 1, 4, 5, 9, 10, 11, 100])
def test_to_be_forgotten_again_and_again_is_slower_than_to_go_on_which_is_two_a_minute(
    guesses: Guesses, clock: Clock, rest_after: int | None
) -> None:
    """As SECURITY.md says: ten in the first 31 seconds, 2,888 in a day."""
    start, count = clock.now, 0
    while clock.now < start + 24 * 3600:
        guesses.note_wrong("9.9.9.9", str(count))
        count += 1
        if count == 10 and rest_after is None:
            assert clock.now == start + 31
        rests = rest_after is not None and count % rest_after == 0
        clock.now += FORGOTTEN_AFTER if rests else guesses.wait("9.9.9.9")
    assert count == 2888 if rest_after is None else count < 2888


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(guesses: Guesses) -> None:
    note(guesses, "1.1.1.1", 10)
    note(guesses, "2.2.2.2", 10)
    note(guesses, "1.1.1.1", 1)
    for number in range(MOST_ADDRESSES - 1):
        note(guesses, f"10.0.{number // 256}.{number % 256}", 10)
    assert len(guesses) == MOST_ADDRESSES
    assert (guesses.wait("1.1.1.1"), guesses.wait("2.2.2.2")) == (LONGEST, 0)
    known = [guesses.is_known("1.1.1.1", f"wrong{number}") for number in range(10)]
    assert sum(known) == 4


def test_the_same_wrong_token_again_is_no_further_guess() -> None:
    access = Access(Settings(token=TOKEN))
    for _ in range(100):  # as a program does that was not told of a new token
        assert not access.accepts("the-former-token", "9.9.9.9")
    assert access.accepts(TOKEN, "9.9.9.9")


def test_while_an_address_waits_no_token_of_it_is_checked_not_even_the_right_one() -> None:
    access = Access(Settings(token=TOKEN))
    for number in range(FREE):
        assert not access.accepts(f"wrong{number}", "9.9.9.9")
    for token in ("another", TOKEN):
        with pytest.raises(TooSoonError) as error:
            access.accepts(token, "9.9.9.9")
        assert error.value.seconds == 1
    assert access.accepts(TOKEN, "8.8.8.8")


def test_a_new_token_ends_all_waits_and_may_be_one_that_was_wrong() -> None:
    access = Access(Settings(token=TOKEN))
    for number in range(FREE):
        assert not access.accepts(f"wrong{number}", "9.9.9.9")
    access.use_token("wrong0")
    assert access.accepts("wrong0", "9.9.9.9")


# --- a real server ------------------------------------------------------------------


def guess_until_refused(server: Server, **headers: str) -> int:
    """How many of the tokens that are guessed at the same time were checked."""
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        paths = [f"/logs?token=guess{number}" for number in range(200)]
        statuses = list(pool.map(lambda path: server.status(path, **headers), paths))
    assert set(statuses) == {401, 429}
    return statuses.count(401)


def test_who_guesses_waits_while_others_and_cookies_are_let_in(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    options = ["--trusted-proxy", "127.0.0.1", tmp_path / "app.log"]
    with running(tmp_path, *options, env={"RIACHO_TOKEN": TOKEN}) as server:
        guesser, other = {"X-Forwarded-For": "9.9.9.9"}, {"X-Forwarded-For": "8.8.8.8"}
        _, headers, _ = server.get(f"/?token={TOKEN}", Accept="text/html", **guesser)
        cookie = str(headers["Set-Cookie"]).partition(";")[0]
        # how many more depends on how long these requests take
        assert FREE <= guess_until_refused(server, **guesser) <= FREE + 6
        numbers = iter(range(10**9))

        def is_told_to_wait() -> bool:
            path = f"/logs?token=more{next(numbers)}"
            status, headers, body = server.get(path, **guesser)
            if status == 429:
                assert 1 <= int(headers["Retry-After"]) <= LONGEST
                assert b"too many wrong tokens from this address: wait " in body
            return status == 429

        def is_the_right_token_refused() -> bool:
            status = server.status(f"/logs?token={TOKEN}", **guesser)
            assert status in (200, 429)
            return status == 429

        wait_until(lambda: is_told_to_wait() and is_the_right_token_refused(), "a wait")
        assert server.status(f"/logs?token={TOKEN}", **other) == 200
        assert server.status("/logs", Cookie=cookie, **guesser) == 200
        assert server.status("/logs?token=wrong", Cookie=cookie, **guesser) == 200
        assert server.status("/logs", **guesser) == 401  # no token is no guess
        code, _, body = server.get(f"/healthz?token=wrong-{TOKEN}", **guesser)
        assert (code, body) == (200, b'{"status": "ok"}')
        wait_until(lambda: server.status(f"/logs?token={TOKEN}", **guesser) == 200, "its end", 40)
