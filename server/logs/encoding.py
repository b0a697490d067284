"""From batches of lines to event frames, in the form that a stream has.

Lines are encoded once for all clients of one form. The text form sends each line as the data
of an event without a name, its position as its id. For the JSON form see `feeds/objects.py`.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import NamedTuple
from zlib import crc32

from server.logs.lines import LineBatch, carried_up_to
from server.logs.position import HEAD, Position, anchor
from server.sse.event import END, told


class Frames(NamedTuple):
    """Whole frames, and how many events they are."""

    data: bytes
    events: int


Encoder = Callable[[LineBatch], Frames]
"""Makes frames of lines. Each form of a stream has one."""


class LineEncoder:
    """Encodes each line by itself, clipped to `max_line` bytes.

    `frame` makes an event of an id and a line without its newline, `id_of` an id of the position
    where a line ends. `details` are in each event that says something of a line.
    """

    def __init__(
        self,
        max_line: int,
        frame: Callable[[str, bytes], bytes],
        id_of: Callable[[Position], str] = str,
        **details: str,
    ) -> None:
        self._max_line = max_line
        self._frame = frame
        self._id_of = id_of
        self._details = details

    def __call__(self, batch: LineBatch) -> Frames:
        frames = b"".join(frames for _, frames in self.events(batch))
        return Frames(frames, frames.count(END))

    def events(self, batch: LineBatch) -> Iterator[tuple[Position, bytes]]:
        """Where each line ends, and its frames: of lines of any kind, with what is said of them."""
        is_continued = batch.is_continued
        for position, line in batch.positions():
            id, said = self._id_of(position), b""
            if is_continued:
                is_continued = False
                begin = {"from": self._id_of(batch.start)}
                said += self._say("continued", line=id, **begin)
            is_last = position == batch.end
            if batch.is_unfinished and is_last and (line or not batch.hole):
                said += self._say("unfinished", line=id)
            if batch.hole:
                said += self._say("hole", line=id, bytes=batch.hole)
                if not line:
                    yield position, said
                    continue  # the file ends with it
            length = batch.length - batch.hole if batch.is_cut else len(line)
            yield position, said + self._line(id, line, length - line.endswith(b"\n"))

    def _line(self, id: str, line: bytes, length: int) -> bytes:
        """The frame of a line that has `length` bytes, and before it that it is clipped."""
        line = line.removesuffix(b"\n")
        if length <= self._max_line:
            return self._frame(id, line.removesuffix(b"\r"))
        line = clip(line, self._max_line)
        clipped = self._say("clipped", line=id, length=length, sent=len(line))
        return clipped + self._frame(id, line)

    def _say(self, event: str, **details: object) -> bytes:
        return told(event, {**self._details, **details})


class TextEncoder(LineEncoder):
    """Encodes lines as text, most of them many at a time."""

    def __init__(self, max_line: int) -> None:
        super().__init__(max_line, _text_frame)

    def __call__(self, batch: LineBatch) -> Frames:
        lines = batch.lines
        is_simple = not (batch.is_cut or batch.is_continued or batch.is_unfinished)
        if is_simple and _is_plain(lines) and not _has_longer(lines, self._max_line):
            frames = _encode_plain(batch)
            if b"\r" in lines:  # only before newlines
                return frames._replace(data=frames.data.replace(b"\r\n", b"\n"))
            return frames
        return super().__call__(batch)


def _encode_plain(batch: LineBatch) -> Frames:
    """The frames of whole lines that can go out as they are.

    This is the loop of `LineBatch.positions` with the frame made in it: the server spends most
    of its time here.
    """
    offset, head, tail = batch.start
    data = batch.before + batch.lines
    base = offset - len(batch.before)  # offset of data[0] in the log
    limit = carried_up_to(offset)
    frame = _frame_after(head)
    frames = []
    for line in BytesIO(batch.lines):
        offset += len(line)
        if offset > limit:
            before = offset - len(line)
            if before < HEAD:
                head = crc32(line[: HEAD - before], head)
                frame = _frame_after(head)
            tail = crc32(data[anchor(offset) - base : offset - base])
            limit = carried_up_to(offset)
        else:
            tail = crc32(line, tail)
        frames.append(frame % (offset, tail, line))
    return Frames(b"".join(frames), len(frames))


def _frame_after(head: int) -> bytes:
    """The frame of a line, but for its offset, its tail and its text."""
    return b"id: %%x-%x-%%x\ndata: %%b\n" % head


def _has_longer(lines: bytes, length: int) -> bool:
    """Whether one of the lines is longer than `length`, its newline included."""
    return len(lines) > length and max(map(len, BytesIO(lines))) > length


def _is_plain(lines: bytes) -> bool:
    """Whether whole lines can go out as they are, but for a CR before each newline.

    They are UTF-8, without any other CR, with a newline at the end.
    """
    if not lines.endswith(b"\n"):
        return False
    if b"\r" in lines and lines.count(b"\r") != lines.count(b"\r\n"):
        return False
    if lines.isascii():
        return True
    try:
        lines.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text_frame(id: str, line: bytes) -> bytes:
    text = line.decode("utf-8", "replace").encode()
    # CR ends a line of the stream, so the text around it is sent as fields of their own
    return b"id: %b\ndata: %b\n\n" % (id.encode(), text.replace(b"\r", b"\ndata: "))


def clip(line: bytes, length: int) -> bytes:
    """The first `length` bytes of `line`, less a UTF-8 character that they cut in two."""
    line = line[:length]
    for missing in range(1, min(4, len(line) + 1)):
        if line[-missing] & 0xC0 != 0x80:
            first = line[-missing]
            needed = 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2 if first >= 0xC0 else 1
            return line[:-missing] if needed > missing else line
    return line
