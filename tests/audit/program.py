"""A program whose output is a source of the server: it numbers its lines, as `Writer` does.

`python -m tests.audit.program SPOOL STOP`: it goes on after the last line that is in SPOOL, for
what was still in the pipe when the server was killed was never a line of the log. It ends by itself
now and then, and goes on for ever without a word once there is a file STOP.
"""

import os
import random
import sys
import time
from pathlib import Path

from tests.audit.writer import PADDING_WEIGHTS, PADDINGS, PAUSES, clock, number_of

LIFE = (5.5, 30.0)
"""Seconds after which it ends: it counts as steady after five, and is started again soon."""


LAST = b"the last line"


def lines_of(spool: Path) -> list[bytes]:
    """All lines of a spool, in their order."""
    files = sorted(spool.glob("*.log*"), key=lambda path: path.stat().st_mtime_ns)
    lines = [line for path in files for line in path.read_bytes().split(b"\n")[:-1]]
    return sorted(lines, key=lambda line: number_of(line) or 0)


def line(number: int, padding: bytes) -> bytes:
    return b"%d|%.6f|%b|%d\n" % (number, clock(), padding, number)


def main() -> None:
    spool, stop = Path(sys.argv[1]), Path(sys.argv[2])
    last = max((number_of(one) or 0 for one in lines_of(spool)), default=0)
    chance = random.Random(last)
    end = clock() + chance.uniform(*LIFE)
    while clock() < end:
        if stop.exists():
            os.write(1, line(last + 1, LAST))
            time.sleep(3600)
        count = chance.randrange(1, 500 if chance.random() < 0.01 else 10)
        paddings = chance.choices(PADDINGS, PADDING_WEIGHTS, k=count)
        os.write(1, b"".join(line(last + 1 + at, padding) for at, padding in enumerate(paddings)))
        last += count
        time.sleep(chance.choice(PAUSES))
    sys.exit(chance.choice([0, 3]))


if __name__ == "__main__":
    main()
