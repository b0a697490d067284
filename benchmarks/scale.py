"""How much is measured, and which servers."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from benchmarks.loads import Figures
from benchmarks.servers import PEERS, Peer

Results = Iterator[tuple[str, Figures]]
"""What each server, or each kind of a load, took."""


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    quick: bool = False
    rounds: int = 1
    only: tuple[str, ...] = ("",)
    """Servers whose names begin so, in lower case."""

    def seconds(self, full: float) -> float:
        return min(full, 2.0) if self.quick else full

    def peers(self, peers: tuple[Peer, ...] = PEERS) -> list[Peer]:
        return [peer for peer in peers if peer.name.lower().startswith(self.only)]

    def best(self, load: Callable[[], Figures]) -> Figures:
        """Of several rounds the one that took least CPU time of the server; or one that failed.

        What else goes on, on this machine or on the host of a virtual one, only ever adds to it.
        """
        results = [attempt(load) for _ in range(self.rounds)]
        return min(results, key=lambda figures: (not figures.problem, figures.cpu_us or 0.0))


def attempt(load: Callable[[], Figures]) -> Figures:
    """Run a load: its figures, or the error as their `problem`."""
    try:
        return load()
    except (OSError, EOFError, psutil.Error, subprocess.CalledProcessError) as error:
        return Figures(f"{type(error).__name__}: {error}")
