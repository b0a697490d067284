"""How fast a token can be guessed: an address that shows wrong ones waits longer and longer."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from math import ceil

from server.web.quota import network_of

FREE = 5
"""With so many wrong tokens an address waits for a second; each further one doubles that."""

LONGEST = 30.0
"""Seconds that an address waits at the most until its next token is checked."""

FORGOTTEN_AFTER = 600.0
"""Seconds without a wrong token after which an address begins anew.

Who waits for that guesses more slowly than who goes on.
"""

MOST_ADDRESSES = 4096
"""Addresses of which wrong tokens are remembered; those whose last one is oldest go first."""

_MOST_KNOWN = 4  # wrong tokens of an address that are remembered


class TooSoonError(Exception):
    """A token was not checked: its address waits for so many `seconds` more."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass
class _Guesser:
    wrong: int = 0
    last: float = 0.0
    until: float = 0.0
    known: tuple[bytes, ...] = ()
    """Digests of its last wrong tokens: to show one of them again is no guess."""


class Guesses:
    """The wrong tokens that each address has shown; of IPv6 a /64 counts as one address.

    While an address waits, no token of its is checked, right or wrong: otherwise many
    guesses at the same time would not have to wait. What is not checked does not count,
    so nobody's wait is made longer by those who do not wait.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    def __len__(self) -> int:
        return len(self._guessers)

    def is_known(self, address: str, token: str) -> bool:
        """Whether this is one of the last tokens of `address` that were wrong."""
        guesser = self._find(network_of(address))
        return guesser is not None and _digest(token) in guesser.known

    def wait(self, address: str) -> int:
        """Whole seconds until another token of `address` is checked, 0 if it is at once."""
        guesser = self._find(network_of(address))
        return max(0, ceil(guesser.until - self._clock())) if guesser else 0

    def note_wrong(self, address: str, token: str) -> None:
        """Count a token of `address` that was checked and is wrong."""
        network, now = network_of(address), self._clock()
        guesser = self._find(network) or _Guesser()
        guesser.wrong += 1
        guesser.last = now
        doublings = guesser.wrong - FREE
        guesser.until = now + (min(LONGEST, 2.0 ** min(doublings, 10)) if doublings >= 0 else 0)
        guesser.known = (*guesser.known, _digest(token))[-_MOST_KNOWN:]
        self._guessers[network] = guesser
        self._guessers.move_to_end(network)
        if len(self._guessers) > MOST_ADDRESSES:
            self._guessers.popitem(last=False)

    def forget(self) -> None:
        """Begin anew, as where the token is another: what was wrong may be right now."""
        self._guessers.clear()

    def _find(self, network: str) -> _Guesser | None:
        guesser = self._guessers.get(network)
        if guesser and self._clock() - guesser.last >= FORGOTTEN_AFTER:
            del self._guessers[network]
            return None
        return guesser


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()[:16]
