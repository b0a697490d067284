"""From batches of lines to frames of those lines that a filter wants."""

from server.filters.filter import Selection
from server.logs.encoding import Encoder, Frames
from server.logs.lines import LineBatch


class SelectingEncoder:
    """Encodes the lines that `selection` finds, as `encode` does."""

    def __init__(self, encode: Encoder, selection: Selection) -> None:
        self._encode = encode
        self._selection = selection

    def __call__(self, batch: LineBatch) -> Frames:
        parts = [self._encode(part) for part in self._selection.parts(batch)]
        return Frames(b"".join(part.data for part in parts), sum(part.events for part in parts))
