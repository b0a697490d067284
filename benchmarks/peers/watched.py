"""Riacho, with a watch on its event loop: `LOG.busy` gets a line for each long round.

Each line is the time of time.monotonic() in seconds, and the CPU time that the loop took
before it came round again, in milliseconds. CPU time rather than time: what else runs on
the machine does not count.
"""

import asyncio
import sys
import time
from pathlib import Path

from server.app import run
from server.settings import Settings

LEAST_MS = 5.0
_INTERVAL = 0.001


async def _watch(path: Path) -> None:
    with path.open("w", buffering=1) as file:
        before = time.thread_time()
        while True:
            await asyncio.sleep(_INTERVAL)
            now = time.thread_time()
            busy_ms = (now - before) * 1e3
            if busy_ms > LEAST_MS:
                file.write(f"{time.monotonic()} {busy_ms}\n")
            before = now


async def _main(log: Path) -> None:
    watching = asyncio.create_task(_watch(log.with_suffix(".busy")))
    settings = Settings(logs=(str(log),), port=0)
    await run(settings, lambda url, what: print(f"  {url}/", flush=True))
    watching.cancel()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
