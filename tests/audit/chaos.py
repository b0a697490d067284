"""Chaos: all that befalls the log, the server and the clients."""

import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.audit.clients import Audience
from tests.audit.disk import Disk
from tests.audit.file_chaos import FileChaos
from tests.audit.rotation import KEEP
from tests.audit.verdict import Action, Serving
from tests.audit.writer import Writer, clock
from tests.running import Server


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
        self._disk = disk
        self._files = FileChaos(chance, writer, disk)
        self.server = server
        """What is killed, stopped and started."""
        self._audience = audience
        self._is_wanted = wanted
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
            for action, weight in (self._files.actions | self._on_others).items()
            if self._is_wanted(action.__name__)
        }
        [action] = self._random.choices([*everything], [*everything.values()])
        if action in self._files.actions:
            self._act_on_files(action)
        else:
            self._note(action)
            action()

    def _note(self, action: Callable[[], None]) -> None:
        self.actions.append(Action(clock(), action.__name__))

    def _act_on_files(self, action: Callable[[], None]) -> None:
        self._note(action)
        began = clock()
        self._disk.look(began, "before " + action.__name__)
        action()
        self._disk.look(began, action.__name__)

    def _some_on_files(self, most: int) -> None:
        wanted = {one: n for one, n in self._files.actions.items() if self._is_wanted(one.__name__)}
        wanted.pop(self._files.cut_back, None)  # what it removes was perhaps not sent
        wanted.pop(self._files.cut_the_front, None)  # of many lines the server looks at some only
        for _ in range(self._random.randint(0, most) if wanted else 0):
            [action] = self._random.choices([*wanted], [*wanted.values()])
            self._act_on_files(action)

    def wait(self, least: float, most: float) -> None:
        threading.Event().wait(self._random.uniform(least, most))

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
            self.server.resume_tails()
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
                self._act_on_files(self._files.rotate_in_a_blink)
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
