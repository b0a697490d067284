"""Long-lived tasks: one that fails is started again, and the server says so."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

FIRST_DELAY = 1.0
"""Seconds from a first failure to the next start."""

LONGEST_DELAY = 60.0
"""Seconds from any failure to the next start, at the most."""

RAN_WELL = 60.0
"""Seconds of running after which a failure counts as a first one."""

_log = logging.getLogger(__name__)


def next_delay(previous: float, ran: float) -> float:
    """Seconds from a failure to the next start: 1, 2, 4 ... 60.

    `previous` is the delay before the run that failed (0 if it was the first run), `ran` the
    seconds that this run took.
    """
    if previous == 0 or ran >= RAN_WELL:
        return FIRST_DELAY
    return min(2 * previous, LONGEST_DELAY)


async def supervise(
    name: str,
    make: Callable[[], Coroutine[Any, Any, None]],
    decide: Callable[[float, float], float] = next_delay,
) -> None:
    """Run the coroutine that `make` gives; if it fails, log the error and run a new one.

    `name` says in the log what has failed; `decide` gives the seconds until the next start, as
    `next_delay` does. Return when a coroutine returns; a cancellation cancels it, too.
    """
    delay = 0.0
    while True:
        start = time.monotonic()
        try:
            return await make()
        except Exception:
            delay = decide(delay, time.monotonic() - start)
            _log.exception("%s failed; it starts again in %g s", name, delay)
        await asyncio.sleep(delay)
