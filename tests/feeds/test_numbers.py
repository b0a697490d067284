"""Numbers as a feed, and the page in pieces."""

import asyncio

import pytest

from server.feeds.contract import AfterId, FinishedError, LostError, Oldest, Place
from server.feeds.numbers import NumberFeed, NumberPlace, slow_page


def frames(feed: NumberFeed, place: NumberPlace) -> bytes:
    async def main() -> bytes:
        return b"".join([batch.frames async for batch in feed.subscribe(place)])

    return asyncio.run(main())


def located(feed: NumberFeed, id: str) -> NumberPlace:
    return asyncio.run(feed.locate(AfterId(id)))


def test_numbers_are_these_frames() -> None:
    feed = NumberFeed(-1, 1, 0)
    assert frames(feed, asyncio.run(feed.locate(Oldest()))) == (
        b"id: -1\ndata: -1\n\n"
        b"id: 0\ndata: 0\n\n"
        b"id: 1\ndata: 1\n\n"
        b'event: close\ndata: {"reason": "finished", "last": 1}\n\n'
    )


def test_a_client_that_comes_back_gets_the_rest() -> None:
    feed = NumberFeed(1, 3, 0)
    assert frames(feed, located(feed, "2")).startswith(b"id: 3\ndata: 3\n\nevent: close\n")


def test_a_client_that_has_the_last_number_has_everything() -> None:
    with pytest.raises(FinishedError):
        located(NumberFeed(1, 3, 0), "3")


@pytest.mark.parametrize("id", ["0", "4", "-1", "x", "1.0", "\u0661", "9" * 400, ""])
def test_an_id_that_is_no_number_of_the_stream_is_lost(id: str) -> None:
    with pytest.raises(LostError) as lost:
        located(NumberFeed(1, 3, 0), id)
    assert lost.value.place == NumberPlace(0, is_fresh=True)


def test_the_first_number_comes_at_once_and_each_other_after_the_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def main() -> None:
        feed = NumberFeed(1, 3, interval=3600)
        place: Place = await feed.locate(Oldest())
        for waits in ([], [3600], [3600, 3600]):
            place = (await feed.read(place)).end
            assert slept == waits

    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(main())


def test_the_page_in_pieces_is_whole_in_the_end() -> None:
    async def main() -> list[bytes]:
        return [piece async for piece in slow_page(1, 3, 0)]

    pieces = asyncio.run(main())
    assert pieces[1:-1] == [b"<li>1</li>\n", b"<li>2</li>\n", b"<li>3</li>\n"]
    assert pieces[0].startswith(b"<!doctype html>")
    assert pieces[-1].endswith(b"</html>\n")
