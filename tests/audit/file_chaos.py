"""What befalls the files of a log: each way in which one is rotated, copied, cut or destroyed."""

import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO

from server.logs.candidates import LEAST_ALIKE
from server.logs.position import CONTEXT
from tests.audit.disk import Disk
from tests.audit.rotation import KEEP, Rotation
from tests.audit.writer import Writer, clock
from tests.rotations import LOGROTATE
from tests.running import wait_until


class FileChaos:
    """What befalls the files of one log."""

    def __init__(self, chance: random.Random, writer: Writer, disk: Disk) -> None:
        self._random = chance
        self._writer = writer
        self._disk = disk
        self._log = disk.log
        self._neighbours: list[int] = []
        self._rotation = Rotation(chance, writer, disk)
        self.actions: dict[Callable[[], None], float] = {
            self.rotate: 12,
            self.rotate_in_a_blink: 6,
            self.copytruncate: 5,
            self.copytruncate_while_written: 5,
            self.truncate: 4,
            self.truncate_and_regrow: 4,
            self.delete_and_create: 3,
            self.edit: 4,
            self.logrotate: 8,
            self.logrotate_copytruncate: 4,
            self.delete_oldest: 0.7,
            self.cut_back: 2,
            self.cut_the_front: 2,
            self.make_a_hole: 2,
            self.change_naming: 3,
            self.write_to_a_neighbour: 3,
        }
        """What may happen, and how often."""

    def _wait(self, least: float, most: float) -> None:
        threading.Event().wait(self._random.uniform(least, most))

    def _perhaps_locked(self) -> AbstractContextManager[object]:
        return self._random.choice([self._writer.lock, nullcontext()])

    # --- rotation by hand

    def rotate(self) -> None:
        """Rename and create, after which the writer may be late to reopen."""
        self._rename(self._random.choice([0, 0, 0.05, 0.3]))
        at_once = self._rotation.packing == "at once" or self._rotation.is_doubtful
        if at_once or self._random.random() < 0.4:
            self._rotation.reopen()
        else:
            self._writer.reopen_in(self._random.choice([0.01, 0.2, 1, 3]))
        if self._rotation.packing == "at once":
            self._rotation.pack(self._rotation.rotated()[:1])

    def rotate_in_a_blink(self) -> None:
        with self._writer.between_lines():
            for _ in range(self._random.randint(2, 5)):
                self._rename(0)
                if self._random.random() < 0.6:
                    self._writer.reopen()
                    self._writer.write(self._random.randrange(1, 60))
            if self._rotation.is_doubtful or self._random.random() < 0.8:
                self._writer.reopen()
            else:
                self._writer.reopen_in(self._random.uniform(0, 1))
        if self._rotation.packing == "at once":
            self._rotation.reopen()
            self._rotation.pack(self._rotation.rotated())

    def copytruncate(self) -> None:
        if self._rotation.is_doubtful:
            self.rotate()
            return
        name = self._rotation.next_name()
        with self._writer.lock:
            shutil.copyfile(self._log, name)
            os.truncate(self._log, 0)
        if self._rotation.packing == "at once":
            self._rotation.pack([name])

    def copytruncate_while_written(self) -> None:
        if self._rotation.is_doubtful:
            self.rotate()
            return
        name = self._rotation.next_name()
        with self._perhaps_locked():
            shutil.copyfile(self._log, name)
        self._wait(0, self._random.choice([0.001, 0.02, 0.3]))
        os.truncate(self._log, 0)
        if self._rotation.packing == "at once":
            self._rotation.pack([name])

    def _rename(self, pause: float) -> None:
        """Rename the log. One that gets a doubtful name is not written to any more after that, nor
        within the same tick of the file system's clock.
        """
        name = self._rotation.next_name()
        is_doubtful = self._rotation.is_doubtful
        with self._writer.between_lines() if is_doubtful else self._perhaps_locked():
            if is_doubtful:
                self._wait(0.02, 0.02)
            os.rename(self._log, name)
            self._wait(0, pause)
            self._log.touch()
            if is_doubtful:
                self._writer.reopen()

    # --- rotation by logrotate

    def logrotate(self) -> None:
        if self._rotation.packing != "at once":
            if self._rotation.packing == "later":
                self._rotation.reopen()
            self._run_logrotate("create")
            self._writer.reopen_in(self._random.choice([0, 0.2, 2]))
            return
        request = self._writer.requests
        wait = f"touch {request}; while [ -e {request} ]; do sleep 0.01; done"
        self._run_logrotate("create", "postrotate", wait, "endscript")

    def logrotate_copytruncate(self) -> None:
        if self._rotation.packing == "later":
            self._rotation.reopen()
        with self._perhaps_locked():
            self._run_logrotate("copytruncate")

    def _run_logrotate(self, *directives: str) -> None:
        directives = (f"rotate {KEEP}", *directives)
        if self._rotation.packing != "plain":
            directives = ("compress", *directives)
        if self._rotation.packing == "later":
            directives = ("delaycompress", *directives)
        if self._rotation.is_dated:
            directives = ("dateext", "dateformat -%Y%m%d-%s000", *directives)
            wait_until(self._rotation.is_a_new_second, "a second without rotation")
        directory = self._log.parent.parent
        configuration = directory / "logrotate.conf"
        configuration.write_text("\n".join([f"{self._log} {{", *directives, "}\n"]))
        configuration.chmod(0o600)
        subprocess.run(
            [LOGROTATE, "-f", "-s", directory / "logrotate.state", configuration], check=True
        )
        self._rotation.note_second()

    def change_naming(self) -> None:
        """Another way to name and compress rotated files; older ones are left as they are."""
        self._rotation.reopen()
        self._rotation.switch()

    def write_to_a_neighbour(self) -> None:
        """Another program's log, with a name that looks like one of our rotated files."""
        for descriptor in self._neighbours:
            os.write(descriptor, b"a line of another program\n" * 3)
        if len(self._neighbours) > 2:
            os.close(self._neighbours.pop(0))
        name = self._log.stem + self._random.choice(["-1", "-2", "_1", "1"])
        path = self._log.with_name(name + self._log.suffix)
        self._neighbours.append(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
        os.write(self._neighbours[-1], b"a line of another program\n" * 3)

    # --- what destroys

    def truncate(self) -> None:
        with self._perhaps_locked():
            self._disk.look(clock(), "before truncate")
            os.truncate(self._log, 0)

    def truncate_and_regrow(self) -> None:
        with self._writer.between_lines():
            self._writer.reopen()
            size = self._log.stat().st_size
            os.truncate(self._log, 0)
            if size < 4_000_000:
                while self._log.stat().st_size <= size:
                    self._writer.write(self._random.choice([1, 10, 100]))

    def delete_and_create(self) -> None:
        with self._perhaps_locked():
            self._log.unlink()
            self._wait(0, self._random.choice([0, 0.1, 0.3]))
            self._log.touch()
        self._writer.reopen_in(self._random.choice([0, 0, 0.5]))

    def edit(self) -> None:
        """Write a copy with more lines under another name, and give it the log's name.

        A log of a few bytes would be taken for another one: see the limits in the README.
        """
        copy = self._log.with_name("edited")
        with self._writer.between_lines():
            self._writer.reopen()
            if self._log.stat().st_size < LEAST_ALIKE:
                return
            shutil.copyfile(self._log, copy)
            descriptor = os.open(copy, os.O_WRONLY | os.O_APPEND)
            self._writer.write(self._random.randrange(1, 50), descriptor)
            os.close(descriptor)
            copy.rename(self._log)
            self._writer.reopen()

    def delete_oldest(self) -> None:
        for path in self._rotation.rotated()[self._random.randint(1, 3) :]:
            path.unlink()

    def cut_back(self) -> None:
        """Keep the first lines: `truncate -s` to the end of one. They were sent already."""
        with self._writer.between_lines():
            self._writer.reopen()
            lines = list(BytesIO(self._log.read_bytes()))
            kept = self._random.randint(0, len(lines))
            os.truncate(self._log, sum(map(len, lines[:kept])))
            self._disk.look(clock(), "cut_back")  # before anything is written
            self._wait(0.5, 0.5)  # a few lines that are written on at once cannot be told apart

    def cut_the_front(self) -> None:
        """Keep the last lines: `tail -n 200 app.log > t && mv t app.log`."""
        copy = self._log.with_name("trimmed")
        with self._writer.between_lines():
            self._writer.reopen()
            lines = list(BytesIO(self._log.read_bytes()))
            kept = self._random.randint(1, 300)
            while sum(map(len, lines[-kept:])) < 2 * CONTEXT and kept < len(lines):
                kept += 1  # a place is known by up to CONTEXT bytes before it, after a restart
            copy.write_bytes(b"".join(lines[-kept:]))
            copy.rename(self._log)
            self._writer.reopen()

    def make_a_hole(self) -> None:
        """NUL bytes that nobody wrote, as after `truncate -s +5000`."""
        with self._writer.between_lines():
            self._writer.reopen()
            size = self._log.stat().st_size
            os.truncate(self._log, size + self._random.choice([100, 5000, 1_000_000]))
