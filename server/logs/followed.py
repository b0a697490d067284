"""The file that is followed: what was taken from it, and whether that still stands there."""

from server.logs.archive import FoundFile
from server.logs.checkpoints import KEPT, Checkpoints
from server.logs.decisions import Look
from server.logs.files import File, State
from server.logs.generation import Trace
from server.logs.lines import LineBatch, LineSplitter
from server.logs.position import CONTEXT, HEAD, START, Position, Read
from server.logs.trimming import Context, context_of


class Followed:
    """What was taken from `file`, as `splitter` has split it.

    `trace` says where the file stood among the others when it was found; `checkpoints` are
    compared when it has become shorter.
    """

    def __init__(
        self,
        file: File | None,
        trace: Trace | None,
        splitter: LineSplitter,
        checkpoints: Checkpoints,
    ) -> None:
        self.file = file
        self.checkpoints = checkpoints
        self.left: int | None = None
        """Bytes that the file had when it was seen not to hold what was taken, the least of them:
        what stands behind these is new. None if it was not seen."""
        self._trace = trace
        self._splitter = splitter
        self._unchanged: State | None = None  # at which nothing that was taken had changed

    @classmethod
    def nothing(cls, trace: Trace | None = None) -> "Followed":
        """For a log that is not there, after the files that `trace` knows."""
        return cls(None, trace, LineSplitter(START, b"", CONTEXT), Checkpoints(b""))

    @classmethod
    def from_position(
        cls, file: File, position: Position, trace: Trace, max_line: int
    ) -> "Followed | None":
        """Go on at `position` of `file`; None where the file does not hold that any more.

        It reads the file, and so belongs in a thread.
        """
        offset = position.offset
        before = file.read(max(0, offset - CONTEXT), min(offset, CONTEXT))
        checkpoints = Checkpoints.of(file, offset)
        if not file.holds(position):
            return None
        return cls(file, trace, LineSplitter(position, before, max_line), checkpoints)

    @property
    def position(self) -> Position:
        """Where the last line that was taken ends."""
        return self._splitter.position

    @property
    def taken(self) -> int:
        """Offset up to which the file is read, also within a line that has no newline yet."""
        return self._splitter.taken

    @property
    def last_bytes(self) -> bytes:
        """The last bytes that were taken."""
        return self._splitter.last_bytes

    def context(self) -> Context:
        """What stands before the last position, to be looked for in another file.

        Before a hole it is read from the file, so this belongs in a thread.
        """
        last = self.last_bytes
        if self.file and not last.strip(b"\0"):
            return context_of(self.file, self.position)
        return Context(last)

    @property
    def trace(self) -> Trace | None:
        """Where the file stood among the others, with as much of its head as has come."""
        head = self.checkpoints.head
        return self._trace._replace(head=head) if self._trace and head else self._trace

    def came_after(self, other: Trace) -> bool:
        """Whether the file came after that of another generation, as far as that is known."""
        if self._trace is None:
            return False
        snapshot = self._trace.snapshot
        place = snapshot.index_of_number(other.identity, other.head)
        if place is None and other.entry:
            place = snapshot.place_of(other.entry)
        return place is not None and place < self._trace.place

    def was_moved_to(self, copy: File) -> bool:
        """Whether `copy` begins as the file did when that was found, and as it does no more.

        Then it was copied and truncated. It reads the files, and so belongs in a thread.
        """
        head = self.trace.head if self.trace else b""
        if not (self.file and head):
            return False
        begins = [one.read(0, len(head)) == head for one in (self.file, copy)]
        return begins == [False, True]

    def found_anew(self, file: File) -> FoundFile | None:
        """The same file, with what it holds now, if that began otherwise when it was found.

        Nothing was taken of it, and its first lines are gone. It belongs in a thread.
        """
        if self._trace is None or self.taken or self.is_unchanged(file.read):
            return None
        return FoundFile(file, START, self._trace._replace(head=file.read(0, HEAD)))

    def is_unchanged(self, read: Read) -> bool:
        """Whether all that was taken still stands in the file, which `read` reads.

        Where nothing was taken yet, what it began with when it was found must stand there.
        """
        state = self.file.state if self.file else None
        if state and state == self._unchanged:
            return True
        last = self.last_bytes
        is_unchanged = (
            Position.at(self.position.offset, read) == self.position
            and read(self.taken - len(last), len(last)) == last
            and (bool(self.taken) or self._begins_as_found(read))
        )
        self._unchanged = state if is_unchanged and state and state.is_settled else None
        if is_unchanged:
            self.left = None
        elif self.file:
            size = self.file.size
            self.left = size if self.left is None else min(self.left, size)
        return is_unchanged

    def _begins_as_found(self, read: Read) -> bool:
        head = self._trace.head if self._trace else b""
        return not head or read(0, len(head)) == head

    def holds_next(self, data: bytes, read: Read) -> bool:
        """Whether the file says that `data` comes next: it is there, and so is what came before."""
        return read(self.taken, len(data)) == data and self.is_unchanged(read)

    def take(self, data: bytes) -> list[LineBatch]:
        """Take the bytes that come next; the lines that they complete."""
        self._unchanged = None
        self.checkpoints.add(data, self.position)
        return self._splitter.feed(data)

    def skip(self, length: int) -> list[LineBatch]:
        """Take so many NUL bytes, which come next, without reading them."""
        self._unchanged = None
        self.checkpoints.add(bytes(min(length, KEPT)), self.position)
        return self._splitter.skip(length)

    def take_rest(self, *, is_unfinished: bool) -> list[LineBatch]:
        """What was taken of a last line that has no newline; `is_unfinished`: it may go on."""
        return self._splitter.finish(is_unfinished=is_unfinished)

    def look(self, is_live: bool, is_unchanged: bool, quiet: float) -> Look:
        """What a look at the file has shown, for a decision."""
        size = self.file.size if self.file else 0
        return Look(
            is_live=is_live,
            is_unchanged=is_unchanged,
            unread=max(0, size - self.taken),
            quiet=quiet,
            has_unfinished=self._splitter.has_unfinished,
        )
