"""`/healthz`: whether the log can be read, and is read."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from server.days import ADVICE, day_of
from server.feeds.contract import Logs, LogSource, Progress, Status
from server.web.base import BaseHandler

PATIENCE = 10.0
"""Seconds for which bytes may lie unread, or the log be unreadable, before that is an illness."""

ROOM = 16 * 1024 * 1024
"""Bytes that must be free on the log's disk: without room, its writer loses lines."""

LONG = 3600.0
"""Seconds without anything new after which the server's own log says so: no illness."""

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


class LogHealth:
    """How a log is doing that is followed."""

    def __init__(self, name: str, patience: float) -> None:
        self._name = name
        self._patience = patience
        self._taken: object = None
        self._is_quiet = False
        self._moved = self._readable = time.monotonic()

    def look(self, progress: Progress) -> None:
        """Note whether the position moves with the file, the log can be read, and lines come."""
        now = time.monotonic()
        if not progress.unread or progress.taken != self._taken:
            self._moved, self._taken = now, progress.taken
        if not progress.problem:
            self._readable = now
        is_quiet = progress.quiet >= LONG
        if is_quiet and not self._is_quiet:
            hint = f"; its name holds a date: {ADVICE}" if day_of(self._name) else ""
            _log.warning("nothing has come to %s for %g s%s", self._name, LONG, hint)
        self._is_quiet = is_quiet

    @property
    def is_stuck(self) -> bool:
        """Whether bytes lie unread for too long: an illness that a new start may cure."""
        return time.monotonic() - self._moved > self._patience

    def problems(self, status: Status) -> list[str]:
        """What is wrong, in words; none if all is well."""
        away, problem = time.monotonic() - self._readable, status.progress.problem
        problems = {
            f"{self._name} {problem}": bool(problem) and away > self._patience,
            f"bytes of {self._name} have not been read for {self._patience:g} s": self.is_stuck,
            f"the disk of {self._name} has no room": status.free is not None and status.free < ROOM,
        }
        return [problem for problem, is_so in problems.items() if is_so]

    def report(self, status: Status) -> dict[str, object]:
        """What is looked at."""
        problem, _, unread, quiet = status.progress
        waiting = f"waiting for {self._name}, which {problem}"
        return {
            "log": self._name,
            **({"state": waiting} if problem else {}),
            "exists": status.exists,
            "tail": status.is_tailed,
            "end": status.end,
            "unread": unread,
            "quiet": int(quiet),
            "free": status.free,
        }


class Health:
    """How those of `logs` are doing that somebody reads."""

    def __init__(self, logs: Logs, patience: float = PATIENCE) -> None:
        self._logs = logs
        self._patience = patience
        self._of: dict[str, LogHealth] = {}

    async def watch(self) -> None:
        """Look at the logs each second, for ever."""
        while True:
            self.look()
            await asyncio.sleep(1)

    def look(self) -> None:
        """Look at all logs that are followed."""
        progress = self._of_each(lambda log: log.progress())
        for name in [name for name in self._of if name not in progress]:
            del self._of[name]
        for name, one in progress.items():
            if name not in self._of:
                self._of[name] = LogHealth(name, self._patience)
            self._of[name].look(one)

    def _of_each(self, ask: Callable[[LogSource], _Answer | None]) -> dict[str, _Answer]:
        """The answer of each log that is followed, by its name."""
        logs = ((name, self._logs.get(name)) for name in self._logs.names)
        answers = {name: ask(log) for name, log in logs if log}
        return {name: answer for name, answer in answers.items() if answer is not None}

    def is_stuck(self) -> bool:
        """Whether bytes of any log lie unread for too long."""
        return any(one.is_stuck for one in self._of.values())

    def report(self) -> dict[str, object]:
        """What is looked at, and `problems`, in words; none if all is well."""
        self.look()
        statuses, names = self._of_each(lambda log: log.status()), self._logs.names
        problems = [
            problem
            for name, status in statuses.items()
            for problem in self._of[name].problems(status)
        ]
        for name in names:
            log = self._logs.get(name)
            is_told = name in statuses and bool(statuses[name].progress.problem)
            problems += [f"{name} {log.problem}"] if log and log.problem and not is_told else []
        if len(names) == 1 and statuses:
            return {**self._of[names[0]].report(statuses[names[0]]), "problems": problems}
        return {"logs": len(names), "followed": len(statuses), "problems": problems}

    def is_ill(self, problems: Sequence[str]) -> bool:
        """Whether the server is of no use: a log that is ill does not end the others."""
        return bool(problems) and (len(self._logs.names) == 1 or self.is_stuck())


class HealthHandler(BaseHandler):
    """`/healthz`: 200 if all is well, else 503. The details need the token, if there is one."""

    needs_token = False

    def initialize(self, health: Health) -> None:
        self._health = health

    def get(self) -> None:
        report = self._health.report()
        is_ill = self._health.is_ill(cast(list[str], report["problems"]))
        self.set_status(503 if is_ill else 200)
        status = {"status": "ill" if is_ill else "ok"}
        self.finish(status | report if self.knows_token else status)
