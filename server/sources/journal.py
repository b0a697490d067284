"""The system's journal as a source: what journalctl hands over goes into a spool, as text.

It goes on after the last entry that was spooled, whose cursor the bookmark has. journalctl is asked
for that entry again (`--cursor`) rather than for what follows (`--after-cursor`): in this way it is
seen whether the journal still has it. If it has not, entries may be missing, and that is said.

journalctl is run twice. With `--follow` it shows nothing that was written before the last boot,
whatever else it is told, so what is there already is asked for without.
"""

import asyncio
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from server.errors import StartError
from server.sources.bookmark import Bookmark, Mark, size_to_keep
from server.sources.contract import Tell, lost_teller
from server.sources.intake import AGAIN
from server.sources.journal_entry import FIELDS, Entry, parse
from server.sources.keeper import run_kept, start_kept, surely
from server.sources.restarts import End, Restarts, how_it_ended
from server.sources.spool import SIZE, Spool, check_name
from server.sources.whole_lines import WholeLines
from server.supervision import next_delay

EVERYTHING = "*"
"""Instead of a unit: the whole journal."""

FIRST_LINES = 1000
"""Entries before the live end with which a spool begins."""

LONGEST_ENTRY = 8 * 1024 * 1024
"""Bytes of an entry as JSON, which writes bytes as numbers; a longer one is left out."""

BATCH = 256 * 1024
"""Bytes of text after which a batch is written."""

SILENT = 2.0
"""Seconds after which journalctl has nothing to say of a unit."""

LONGEST_COMPLAINT = 300
"""Characters of what journalctl says on its standard error."""

ENVIRONMENT = {"LC_ALL": "C", "SYSTEMD_COLORS": "0"}
"""What makes journalctl's complaints plain."""

_GONE = "the journal does not have the last entry that was read any more; others may be missing"
_TOO_LONG = f"an entry has more than {LONGEST_ENTRY // 1024**2} MiB"


def find_journalctl() -> str:
    """Where journalctl is. Raises StartError."""
    found = shutil.which("journalctl")
    if found:
        return found
    if sys.platform != "linux":
        raise StartError("--journal needs Linux with systemd: use --command to run another program")
    raise StartError("journalctl is not installed: install the package systemd")


def meaning(said: str) -> str:
    """What journalctl's complaint means for who reads the log."""
    if "not seeing messages" in said or "insufficient permissions" in said:
        return (
            "shows not all of the journal, for this user may not read it: "
            "add the user to the group systemd-journal"
        )
    if "No journal files were found" in said:
        return "is empty: there is no journal on this machine"
    return f"has a problem: {said}" if said else ""


class JournalSink:
    """Writes entries into the spool, a batch at a time, and moves the bookmark after each."""

    def __init__(self, spool: Spool, bookmark: Bookmark) -> None:
        self.problem = ""
        self._spool = spool
        self._bookmark = bookmark
        self._batches: list[Entry] = []
        self._is_written = False
        mark = bookmark.read()
        file, size = spool.files.place()
        keep = size_to_keep(mark, file, size)
        if keep < size:
            spool.files.cut_to(keep)
        self.cursor = mark.cursor if mark else ""
        """Of the last entry that the spool has."""

    def write(self, entries: list[Entry]) -> None:
        """Write them, or as many as can be written now."""
        texts: list[bytes] = []
        size = 0
        for entry in entries:
            texts.append(entry.text)
            size += len(entry.text)
            if size >= BATCH or entry is entries[-1]:
                self._batches.append(Entry(entry.cursor, b"".join(texts)))
                texts, size = [], 0
        self.settle()

    @property
    def is_settled(self) -> bool:
        return not self._batches

    def settle(self) -> bool:
        """Write what is left; say whether nothing is left."""
        try:
            while self._batches:
                if not self._write_first():
                    return False
        except OSError as error:
            self.problem = f"cannot be written to {self._spool.directory} ({error.strerror})"
            return False
        self.problem = ""
        return True

    def _write_first(self) -> bool:
        cursor, text = self._batches[0]
        if not self._is_written:
            self._spool.files.make_room(len(text))
            self._spool.write(text)
            self._is_written = True
        if not self._spool.settle():
            return False
        self._bookmark.write(Mark(*self._spool.files.place(), cursor))
        self.cursor = cursor
        self._is_written = False
        del self._batches[0]
        return True


class JournalSource:
    """Spools the journal of a systemd unit, or all of it; `directory` is for another journal.

    Raises StartError if there is no journalctl, or the spool cannot be written.
    """

    def __init__(
        self,
        unit: str,
        state: Path,
        size: int = SIZE,
        delay: Callable[[float, float], float] = next_delay,
        directory: Path | None = None,
    ) -> None:
        self.name = "journal" if unit == EVERYTHING else check_name(unit, f"--journal {unit!r}")
        self._unit = unit
        self._journalctl = find_journalctl()
        self._directory = directory
        self._spool = Spool(self.name, state, size, cut=True)
        self.path = self._spool.path
        self._restarts = Restarts(self._run_once, delay)
        self._started = float("inf")
        self._has_entries = self._spool.files.last_written() is not None
        self._said = ""

    @property
    def problem(self) -> str:
        return (
            self._spool.problem or self._restarts.problem or meaning(self._said) or self._silence()
        )

    def _silence(self) -> str:
        if self._has_entries or time.monotonic() - self._started < SILENT:
            return ""
        if self._unit == EVERYTHING:
            return "has no entries in the journal yet"
        return (
            "has no entries in the journal yet: "
            "if that is wrong, look for the unit's name with `systemctl list-units`"
        )

    async def run(self, tell: Tell) -> None:
        """Follow the journal until this is cancelled."""
        self._spool.open()
        self._spool.lost = lost_teller(tell)
        self._sink = JournalSink(self._spool, Bookmark(self._spool.directory / "cursor"))
        try:
            await self._restarts.run(tell)
        finally:
            self._spool.close()

    def _words(self, cursor: str, follows: bool) -> list[str]:
        words = [
            self._journalctl,
            "--output=json",
            f"--output-fields={','.join(FIELDS)}",
            "--all",  # else a field of more than 4 KiB is null
            "--no-pager",
        ]
        if self._directory:
            words.append(f"--directory={self._directory}")
        if self._unit != EVERYTHING:
            words.append(f"--unit={self._unit}")
        if cursor:
            words.append(f"--cursor={cursor}")
        elif not follows:
            return [*words, f"--lines={FIRST_LINES}"]
        return [*words, "--lines=all", *(["--follow"] if follows else [])]

    async def _run_once(self) -> End:
        end = await self._read(follows=False)
        return end if end.details != how_it_ended(0).details else await self._read(follows=True)

    async def _read(self, follows: bool) -> End:
        """Run journalctl for what is there already, or for what comes."""
        sink = self._sink
        assert sink
        while not sink.is_settled:  # else what is held would be asked for again
            await asyncio.sleep(AGAIN)
            await surely(asyncio.to_thread(sink.settle))
        self._said, had = "", sink.cursor
        try:
            kept = await start_kept(
                self._words(had, follows), {"LC_ALL": "C", "SYSTEMD_COLORS": "0"}
            )
        except OSError as error:
            return End(f"cannot be started ({error.strerror or error})", {})
        self._started = time.monotonic()
        reading = _Reading(sink)

        def take(data: bytes) -> None:
            reading.take(data)
            self._has_entries |= reading.has_entries
            for what in reading.lost:
                self._spool.lost(*what)
            reading.lost.clear()

        def take_complaint(data: bytes) -> None:
            said = data.decode(errors="replace").strip()
            self._said = said.rpartition("\n")[2][:LONGEST_COMPLAINT] or self._said

        end = how_it_ended(await run_kept(self.name, kept, take, take_complaint, sink, waits=True))
        if had and not follows and end.details == how_it_ended(0).details and not reading.knows:
            self._spool.lost(0, 0, _GONE)
        return end._replace(why=f"{end.why}: {self._said}") if self._said else end


class _Reading:
    """One run of journalctl: its lines as entries, without the one that is there already."""

    def __init__(self, sink: JournalSink) -> None:
        self.has_entries = False
        self.knows = False
        """Whether the journal still has the entry that was the last."""
        self.lost: list[tuple[int, int, str]] = []
        """What could not be taken: lines, bytes, and why."""
        self._sink = sink
        self._lines = WholeLines(longest=LONGEST_ENTRY)
        self._last = sink.cursor

    def take(self, data: bytes) -> None:
        """Write the entries that are whole with `data`."""
        entries = self._entries(self._lines.take(data))
        if not entries:
            return
        if not self.has_entries and entries[0].cursor == self._last:
            self.knows = True
            del entries[0]
        self.has_entries = True
        if entries:
            self._sink.write(entries)

    def _entries(self, lines: bytes) -> list[Entry]:
        found = []
        for line in lines.splitlines():
            entry = parse(line)
            if entry:
                found.append(entry)
            elif line.startswith(b"{"):
                self.lost.append((1, len(line), _TOO_LONG))
        return found
