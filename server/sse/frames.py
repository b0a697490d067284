"""Events within many frames that follow each other, found by their ids."""

from server.sse.event import END

_FIRST = b"id: "
_OTHER = b"\nid: "


def count_ids(frames: bytes) -> int:
    """How many of the frames have an id."""
    return frames.count(_OTHER) + frames.startswith(_FIRST)


def after_id(frames: bytes, id: str) -> bytes | None:
    """The frames after the one with this id, None if none has it."""
    field = b"id: %b\n" % id.encode()
    start = 0 if frames.startswith(field) else frames.find(b"\n" + field)
    if start < 0:
        return None
    return frames[frames.index(END, start) + len(END) :]


def id_before(frames: bytes, count: int) -> str:
    """The id that comes before the last `count` ids. There must be more of them than that."""
    start = len(frames)
    for _ in range(count + 1):
        start = max(0, frames.rfind(_OTHER, 0, start))
    field = frames[start:].lstrip(b"\n").partition(b"\n")[0]
    return field.removeprefix(_FIRST).decode()
