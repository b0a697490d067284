"""The ids of merged streams: one position for each log, in so many characters of base64url each.

An id is made of entries of 18 bytes, in the order of the logs' names: three bytes that tell the
log, seven of the offset, four of each checksum. So the id of the next event differs from the last
one in the 24 characters of one log only.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Iterable, Mapping
from zlib import crc32

from server.feeds.contract import MOST_LOGS
from server.logs.position import Position

LENGTH = 24
"""Characters of each log."""

_TAG, _OFFSET, _CHECKSUM = 3, 7, 4


def tag_of(name: str) -> bytes:
    """What tells a log from the others of a stream. Two of them hardly ever have the same."""
    return crc32(name.encode("utf-8", "surrogateescape")).to_bytes(4, "big")[-_TAG:]


def pack(name: str, position: Position) -> str:
    """The part of an id that says where a client is in the log with this name."""
    return pack_entry(tag_of(name), position)


def pack_entry(tag: bytes, position: Position) -> str:
    """The part of an id that says where a client is in the log with this tag."""
    offset, head, tail = position
    entry = (
        tag
        + offset.to_bytes(_OFFSET, "big")
        + head.to_bytes(_CHECKSUM, "big")
        + tail.to_bytes(_CHECKSUM, "big")
    )
    return urlsafe_b64encode(entry).decode()


def unpack(id: str, names: Iterable[str]) -> Mapping[str, Position] | None:
    """The position in each of the logs that the id speaks of; None if it is no such id.

    What it says of other logs is left out.
    """
    known = _positions(id)
    if known is None:
        return None
    positions: dict[str, Position] = {}
    for name in sorted(names):
        same = known.get(tag_of(name))
        if same:  # of several logs with the same tag, the names' order tells them apart
            positions[name] = same.pop(0) if len(same) > 1 else same[0]
    return positions


def others_in(id: str, names: Iterable[str]) -> dict[bytes, Position]:
    """The positions in those logs of an id of several that have none of these names, by tags."""
    tags = {tag_of(name) for name in names}
    known = _positions(id) or {}
    return {tag: positions[0] for tag, positions in known.items() if tag not in tags}


def _positions(id: str) -> dict[bytes, list[Position]] | None:
    """The positions in the id by what tells their logs; None if it is no id of several logs."""
    if not id or len(id) % LENGTH or len(id) > LENGTH * MOST_LOGS or not id.isascii():
        return None
    try:
        entries = urlsafe_b64decode(id)
    except Error:
        return None
    if urlsafe_b64encode(entries).decode() != id:
        return None
    size = _TAG + _OFFSET + 2 * _CHECKSUM
    known: dict[bytes, list[Position]] = {}
    for start in range(0, len(entries), size):
        entry = entries[start : start + size]
        offset = int.from_bytes(entry[_TAG : _TAG + _OFFSET], "big")
        if offset >= 2**63:
            return None
        head = int.from_bytes(entry[-2 * _CHECKSUM : -_CHECKSUM], "big")
        tail = int.from_bytes(entry[-_CHECKSUM:], "big")
        known.setdefault(entry[:_TAG], []).append(Position(offset, head, tail))
    return known


def position_in(id: str, name: str) -> Position | None:
    """The position in the log with this name that an id of a stream of any kind speaks of."""
    # An id of one log may happen to be as long as one of several, but hardly the other way round.
    return Position.parse(id) or (unpack(id, [name]) or {}).get(name)
