"""Memory that several feeds share."""

from typing import Protocol

LEAST = 64 * 1024
"""Bytes that each gets, however many there are."""


class Holder(Protocol):
    """What keeps events in memory."""

    def resize(self, memory: int) -> None:
        """Use up to `memory` bytes from now on."""


class Memory:
    """Shares `total` bytes evenly among those that have joined."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._holders: list[Holder] = []

    @property
    def share(self) -> int:
        """Bytes for each."""
        return max(LEAST, self._total // max(1, len(self._holders)))

    def join(self, holder: Holder) -> None:
        """Give `holder` its share, and the others less."""
        self._holders.append(holder)
        self._share_out()

    def leave(self, holder: Holder) -> None:
        """Share out among the others what `holder` had."""
        self._holders.remove(holder)
        self._share_out()

    def _share_out(self) -> None:
        for holder in self._holders:
            holder.resize(self.share)
