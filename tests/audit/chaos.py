"""Chaos: all that befalls the log, the server and the clients."""

import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import BytesIO

import psutil

from tests.audit.clients import Audience
from tests.audit.disk import Disk
from tests.audit.rotation import KEEP, Rotation
from tests.audit.verdict import Action, Serving
from tests.audit.writer import Writer, clock
from tests.running import Server, wait_until

LOGROTATE = "/usr/sbin/logrotate"


class Chaos:
    """All that befalls the log, the server and the clients."""

    def __init__(
        self,
        chance: random.Random,
        writer: Writer,
        disk: Disk,
        server: Server,
        audience: Audience,
        wanted: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self.actions: list[Action] = []
        self.serving = Serving()
        """When the server was started, and when it was down or stopped."""
        self._random = chance
        self._writer = writer
        self._disk = disk
        self.server = server
        """What is killed, stopped and started."""
        self._audience = audience
        self._log = disk.log
        self._is_wanted = wanted
        self._neighbours: list[int] = []
        self._rotation = Rotation(chance, writer, disk)
        self._on_files: dict[Callable[[], None], float] = {
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
        self._on_others: dict[Callable[[], None], float] = {
            self.kill_server: 3,
            self.terminate_server: 2,
            self.stop_server: 4,
            self.stop_server_for_many_rotations: 1,
            self.kill_tail: 4,
            self.stop_tail: 3,
            self.new_client: 6,
            self.stall_clients: 5,
            self.drop_clients: 6,
            self.send_clients_away: 4,
        }

    def act(self) -> None:
        """Do one thing."""
        everything = {
            action: weight
            for action, weight in (self._on_files | self._on_others).items()
            if self._is_wanted(action.__name__)
        }
        [action] = self._random.choices([*everything], [*everything.values()])
        if action in self._on_files:
            self._act_on_files(action)
        else:
            self._note(action)
            action()

    def _note(self, action: Callable[[], None], detail: str = "") -> None:
        self.actions.append(Action(clock(), action.__name__))

    def _act_on_files(self, action: Callable[[], None]) -> None:
        self._note(action)
        began = clock()
        self._disk.look(began, "before " + action.__name__)
        action()
        self._disk.look(began, action.__name__)

    def _some_on_files(self, most: int) -> None:
        wanted = {one: n for one, n in self._on_files.items() if self._is_wanted(one.__name__)}
        wanted.pop(self.cut_back, None)  # what it removes was perhaps not sent
        wanted.pop(self.cut_the_front, None)  # of many lines the server looks at some only
        for _ in range(self._random.randint(0, most) if wanted else 0):
            [action] = self._random.choices([*wanted], [*wanted.values()])
            self._act_on_files(action)

    def wait(self, least: float, most: float) -> None:
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
        self.wait(0, self._random.choice([0.001, 0.02, 0.3]))
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
                self.wait(0.02, 0.02)
            os.rename(self._log, name)
            self.wait(0, pause)
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
            self.wait(0, self._random.choice([0, 0.1, 0.3]))
            self._log.touch()
        self._writer.reopen_in(self._random.choice([0, 0, 0.5]))

    def edit(self) -> None:
        """Write a copy with more lines under another name, and give it the log's name."""
        copy = self._log.with_name("edited")
        with self._writer.between_lines():
            self._writer.reopen()
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
            self.wait(0.5, 0.5)  # a few lines that are written on at once cannot be told apart

    def cut_the_front(self) -> None:
        """Keep the last lines: `tail -n 200 app.log > t && mv t app.log`."""
        copy = self._log.with_name("trimmed")
        with self._writer.between_lines():
            self._writer.reopen()
            lines = list(BytesIO(self._log.read_bytes()))
            copy.write_bytes(b"".join(lines[-self._random.randint(1, 300) :]))
            copy.rename(self._log)
            self._writer.reopen()

    def make_a_hole(self) -> None:
        """NUL bytes that nobody wrote, as after `truncate -s +5000`."""
        with self._writer.between_lines():
            self._writer.reopen()
            size = self._log.stat().st_size
            os.truncate(self._log, size + self._random.choice([100, 5000, 1_000_000]))

    # --- the server and its clients

    @contextmanager
    def _pause(self) -> Iterator[None]:
        began = clock()
        try:
            yield
        finally:
            self.serving.pauses.append((began, clock()))

    def _restart(self, number: signal.Signals) -> None:
        with self._pause():
            code = self.server.end(number)
            assert number == signal.SIGKILL or code == 0, f"the server ended with {code}"
            self._some_on_files(3)
            self.serving.starts.append(clock())
            self.server.arguments[-1] = str(self._random.choice([1, 4, 16]) * 1024 * 1024)
            self.server.start()

    def kill_server(self) -> None:
        self._restart(signal.SIGKILL)

    def terminate_server(self) -> None:
        self._restart(signal.SIGTERM)

    def stop_server(self) -> None:
        with self._pause():
            self.server.process.send_signal(signal.SIGSTOP)
            self.wait(0.1, self._random.choice([0.3, 2]))
            self._some_on_files(3)
            self.server.process.send_signal(signal.SIGCONT)

    def stop_server_for_many_rotations(self) -> None:
        """More rotations than files are kept, while the server has no time."""
        with self._pause():
            self.server.process.send_signal(signal.SIGSTOP)
            for _ in range(KEEP // 3 + 3):
                self._act_on_files(self.rotate_in_a_blink)
            self.server.process.send_signal(signal.SIGCONT)

    def kill_tail(self) -> None:
        with suppress(psutil.NoSuchProcess):  # the server ended it just now
            for tail in self.server.tails():
                tail.kill()

    def stop_tail(self) -> None:
        with suppress(psutil.NoSuchProcess):
            for tail in self.server.tails():
                tail.suspend()

    def new_client(self) -> None:
        self._audience.replace()

    def stall_clients(self) -> None:
        for client in self._audience.pick(10):
            client.stalled_until = clock() + self._random.uniform(0.2, 6)

    def drop_clients(self) -> None:
        for client in self._audience.pick(25):
            client.absent_until = clock() + self._random.choice([0, 0.02, 0.5])

    def send_clients_away(self) -> None:
        for client in self._audience.pick(15):
            client.absent_until = clock() + self._random.uniform(2, 12)
