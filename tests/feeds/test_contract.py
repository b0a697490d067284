"""What every feed promises: the same tests for all of them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from server.feeds.contract import (
    AfterId,
    Batch,
    Feed,
    FinishedError,
    Last,
    LostError,
    Oldest,
    Place,
)
from tests.event_stream import Parsed, Parser
from tests.feeds.memory import MemoryFeed
from tests.feeds.opening import (
    NOISE,
    AbstractFeed,
    OpenFilteredLog,
    OpenFilteredRotatedLog,
    OpenLive,
    OpenLog,
    OpenMemory,
    OpenNumbers,
    OpenRotatedLog,
)

PATIENCE = 20


async def read(feed: Feed, place: Place, count: int) -> tuple[list[Parsed], list[Place]]:
    """The next `count` events that have data, and the places after each batch."""
    parser, events, places = Parser(), list[Parsed](), [place]
    async with asyncio.timeout(PATIENCE):
        while sum(event.type == "message" for event in events) < count:
            batch = await feed.read(places[-1])
            assert batch.start == places[-1]
            found = parser.feed(batch.frames)
            assert len(found) == batch.events
            events += found
            places.append(batch.end)
    return events, places


def texts(events: list[Parsed]) -> list[str]:
    return [event.data for event in events if event.type == "message"]


class FeedTests(ABC):
    """What every feed promises: one of ten events, whose texts are the numbers from 1 to 10."""

    wanted = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
    is_endless = True
    """Whether more may come."""

    @abstractmethod
    def feed(self, tmp_path: Path) -> "AbstractFeed":
        """The feed, once it has all ten events."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> "Run":
        def run(test: Callable[[Feed, "AbstractFeed"], Coroutine[None, None, None]]) -> None:
            async def main() -> None:
                abstract = self.feed(tmp_path)
                async with abstract.opened() as feed:
                    await test(feed, abstract)

            asyncio.run(main())

        return run

    def test_the_oldest_event_comes_first_and_all_others_after_it(self, run: "Run") -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            events, _ = await read(feed, await feed.locate(Oldest()), 10)
            assert texts(events) == list(self.wanted)

        run(test)

    def test_a_subscription_hands_over_what_a_reader_gets(self, run: "Run") -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            parser, events = Parser(), list[Parsed]()
            subscription = feed.subscribe(await feed.locate(Oldest()))
            async with asyncio.timeout(PATIENCE):
                async for batch in subscription:
                    events += parser.feed(batch.frames)
                    assert subscription.place == batch.end
                    if len(texts(events)) == 10:
                        break
            assert texts(events) == list(self.wanted)
            assert subscription.events == len(events)

        run(test)

    @pytest.mark.parametrize("takes", [True, False])
    def test_what_comes_reaches_a_push_or_the_iteration_once(self, run: "Run", takes: bool) -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            if not self.is_endless:
                return
            await read(feed, await feed.locate(Oldest()), 10)
            got = list[Batch]()

            def push(batch: Batch) -> bool:
                if takes:
                    got.append(batch)
                return takes

            subscription = feed.subscribe(feed.end, push)

            async def iterate() -> None:
                async for batch in subscription:
                    got.append(batch)

            task = asyncio.create_task(iterate())
            await asyncio.sleep(0)
            await abstract.append("more", "and more")
            async with asyncio.timeout(PATIENCE):
                while subscription.events < 2:
                    await asyncio.sleep(0.001)
            frames = b"".join(batch.frames for batch in got)
            assert texts(Parser().feed(frames)) == ["more", "and more"]
            task.cancel()
            await asyncio.wait({task})

        run(test)

    @pytest.mark.parametrize("is_waiting", [False, True])
    def test_nothing_is_pushed_to_a_subscription_that_is_closed(
        self, run: "Run", is_waiting: bool
    ) -> None:
        """Who still iterates over it gets the events: that there are some is how this is known."""

        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            pushed, got = list[Batch](), list[Batch]()

            def push(batch: Batch) -> bool:
                pushed.append(batch)
                return True

            place = feed.end if self.is_endless else await feed.locate(Oldest())
            subscription = feed.subscribe(place, push)

            async def iterate() -> None:
                async for batch in subscription:
                    got.append(batch)

            if not is_waiting:
                subscription.close()
            task = asyncio.create_task(iterate())
            await asyncio.sleep(0)
            subscription.close()
            if self.is_endless:
                await abstract.append("more")
            async with asyncio.timeout(PATIENCE):
                while not pushed and not got:
                    await asyncio.sleep(0.001)
            assert pushed == []
            task.cancel()
            await asyncio.wait({task})

        run(test)


class ResumableFeedTests(FeedTests):
    """What those promise, too, whose events are kept, so that clients can come back."""

    forgets = True
    """Whether events may be gone some day."""

    @pytest.mark.parametrize("count", [1, 3, 10, 1000])
    def test_the_last_events_are_those_before_the_end(self, run: "Run", count: int) -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            wanted = list(self.wanted[-count:])
            events, _ = await read(feed, await feed.locate(Last(count)), len(wanted))
            assert texts(events) == wanted

        run(test)

    def test_a_client_goes_on_after_any_event_that_it_has_seen(self, run: "Run") -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            events, _ = await read(feed, await feed.locate(Oldest()), 10)
            lines = [event for event in events if event.type == "message"]
            for number, event in enumerate(lines[:-1], 1):
                assert event.id
                place = await feed.locate(AfterId(event.id))
                again, _ = await read(feed, place, 10 - number)
                assert texts(again) == list(self.wanted[number:])

        run(test)

    def test_a_client_goes_on_at_any_place_that_was_handed_out(self, run: "Run") -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            start = await feed.locate(Oldest())
            events, places = await read(feed, start, 10)
            for number, place in enumerate(places[1:-1]):
                seen = texts(events)[: self.seen_at(places, number + 1, events)]
                found = await feed.locate(AfterId(place.id))
                again, _ = await read(feed, found, 10 - len(seen))
                assert seen + texts(again) == list(self.wanted)

        run(test)

    def seen_at(self, places: list[Place], index: int, events: list[Parsed]) -> int:
        """How many events come before the place with this index."""
        ids = [event.id for event in events if event.type == "message"]
        return ids.index(places[index].id) + 1 if places[index].id in ids else 0

    def test_an_id_that_is_not_known_is_lost_and_says_where_to_go_on(self, run: "Run") -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            with pytest.raises(LostError) as lost:
                await feed.locate(AfterId("no id of this feed"))
            assert lost.value.why
            events, _ = await read(feed, lost.value.place, 10)
            assert texts(events) == list(self.wanted)

        run(test)

    def test_a_place_that_is_gone_becomes_a_gap_before_what_is_left(self, run: "Run") -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            if not self.forgets:
                return
            events, _ = await read(feed, await feed.locate(Oldest()), 1)
            [first, *_] = [event for event in events if event.type == "message"]
            place = await feed.locate(AfterId(first.id))
            left = await abstract.forget()
            events, _ = await read(feed, place, len(left))
            gap, *others = [event for event in events if event.type in ("gap", "message")]
            assert gap.type == "gap"
            assert texts(others) == left
            with pytest.raises(LostError) as lost:
                await feed.locate(AfterId(place.id))
            assert lost.value.why
            for found in (lost.value.place, await feed.locate(AfterId(gap.id))):
                events, _ = await read(feed, found, len(left))
                assert texts(events) == left

        run(test)

    def test_there_is_a_lag_until_the_end(self, run: "Run") -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            _, places = await read(feed, await feed.locate(Oldest()), 10)
            lags = [feed.lag(place) for place in places]
            assert all(lag > 0 for lag in lags[:-1])
            assert lags[-1] == 0

        run(test)

    def test_a_reader_waits_at_the_end_or_is_told_that_there_is_no_more(self, run: "Run") -> None:
        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            place = feed.end
            assert feed.is_live(place)
            if not self.is_endless:
                with pytest.raises(FinishedError):
                    await feed.read(place)
                return
            reading = asyncio.create_task(feed.read(place))
            await asyncio.sleep(0)  # it has begun
            await abstract.append("more")
            async with asyncio.timeout(PATIENCE):
                batch = await reading
            assert texts(Parser().feed(batch.frames)) == ["more"]

        run(test)


def offset_in(id: str) -> int:
    """The offset that the id of a log's event names."""
    return int(id.partition("-")[0], 16)


Run = Callable[[Callable[[Feed, AbstractFeed], Coroutine[None, None, None]]], None]


class TestLogFeed(ResumableFeedTests):
    def feed(self, tmp_path: Path) -> AbstractFeed:
        path = tmp_path / "app.log"
        path.write_text("".join(f"{text}\n" for text in self.wanted))
        return OpenLog(path)


@pytest.mark.linux  # each rotation is waited out for 10 s where there are no leases
class TestLogFeedThroughRotatedFiles(ResumableFeedTests):
    def feed(self, tmp_path: Path) -> AbstractFeed:
        path = tmp_path / "app.log"
        for name, texts in (("app.log.2", self.wanted[:3]), ("app.log.1", self.wanted[3:9])):
            (tmp_path / name).write_text("".join(f"{text}\n" for text in texts))
        path.write_text(f"{self.wanted[9]}\n")
        return OpenRotatedLog(path)

    @pytest.mark.parametrize("count", [1])
    def test_the_last_events_are_those_before_the_end(self, run: Run, count: int) -> None:
        super().test_the_last_events_are_those_before_the_end(run, count)


class TestFilteredLogFeed(ResumableFeedTests):
    def feed(self, tmp_path: Path) -> AbstractFeed:
        path = tmp_path / "app.log"
        path.write_text("".join(f"{NOISE}{text}\n{NOISE}" for text in self.wanted))
        return OpenFilteredLog(path)

    def seen_at(self, places: list[Place], index: int, events: list[Parsed]) -> int:
        ids = [event.id for event in events if event.type == "message"]
        return sum(offset_in(id) <= offset_in(places[index].id) for id in ids)


@pytest.mark.linux  # each rotation is waited out for 10 s where there are no leases
class TestFilteredLogFeedThroughRotatedFiles(ResumableFeedTests):
    """The last events are looked for through all files, of which one has none that is wanted."""

    def feed(self, tmp_path: Path) -> AbstractFeed:
        path = tmp_path / "app.log"
        for name, texts in (("app.log.3", self.wanted[:3]), ("app.log.2", self.wanted[3:9])):
            (tmp_path / name).write_text("".join(f"{text}\n{NOISE}" for text in texts))
        (tmp_path / "app.log.1").write_text(2 * NOISE)
        path.write_text(f"{3 * NOISE}{self.wanted[9]}\n{NOISE}")
        return OpenFilteredRotatedLog(path)

    def seen_at(self, places: list[Place], index: int, events: list[Parsed]) -> int:
        raise NotImplementedError

    def test_a_client_goes_on_at_any_place_that_was_handed_out(self, run: "Run") -> None:
        """A place after lines that nobody wants is none of the ids that were seen."""

        async def test(feed: Feed, abstract: AbstractFeed) -> None:
            place, seen = await feed.locate(Oldest()), list[str]()
            while not feed.is_live(place):
                again, _ = await read(feed, await feed.locate(AfterId(place.id)), 10 - len(seen))
                assert seen + texts(again) == list(self.wanted)
                batch = await feed.read(place)
                seen += texts(Parser().feed(batch.frames))
                place = batch.end

        run(test)


class TestMemoryFeed(ResumableFeedTests):
    def feed(self, tmp_path: Path) -> AbstractFeed:
        return OpenMemory(self.wanted)


class TestMemoryFeedWithEmptyBatches(ResumableFeedTests):
    """Events that are none of the client's: their batches only move the place."""

    def feed(self, tmp_path: Path) -> AbstractFeed:
        return OpenMemory([text for wanted in self.wanted for text in ("", wanted)])

    def seen_at(self, places: list[Place], index: int, events: list[Parsed]) -> int:
        return int(places[index].id) // 2

    @pytest.mark.parametrize("count", [1000])
    def test_the_last_events_are_those_before_the_end(self, run: Run, count: int) -> None:
        super().test_the_last_events_are_those_before_the_end(run, count)


class TestNumberFeed(ResumableFeedTests):
    is_endless = False
    forgets = False

    def feed(self, tmp_path: Path) -> AbstractFeed:
        return OpenNumbers()


class TestLiveFeed(FeedTests):
    def feed(self, tmp_path: Path) -> AbstractFeed:
        return OpenLive(self.wanted)


def test_a_feed_that_has_finished_ends_its_subscriptions() -> None:
    async def main() -> list[Batch]:
        feed = MemoryFeed()
        await feed.append("1")
        subscription = feed.subscribe(await feed.locate(Oldest()))
        await feed.finish()
        async with asyncio.timeout(PATIENCE):
            return [batch async for batch in subscription]

    assert len(asyncio.run(main())) == 1
