"""Tail, kept running: what is said of one that cannot be started."""

import logging
from pathlib import Path

import pytest

from server.logs import decisions
from server.logs.decisions import Look
from server.logs.tail import find_tail
from server.logs.tailing import Tailing

LIVE = Look(is_live=True, is_unchanged=True, unread=0, quiet=0, has_unfinished=False)


def test_a_failure_to_start_tail_is_told_when_it_changes_and_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "tail"
    program.write_text("#!/bin/sh\necho GNU coreutils\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(decisions, "RESTART", 0)
    tailing = Tailing(find_tail(), tmp_path / "app.log")

    def told() -> list[str]:
        caplog.clear()
        for _ in range(3):
            tailing.start(LIVE, 0)
        assert not tailing.is_running
        return [record.getMessage() for record in caplog.records]

    caplog.set_level(logging.WARNING, "server.logs.tailing")
    program.unlink()
    [missing] = told()
    assert missing.startswith(f"reading {tmp_path}/app.log without tail for now: ")
    assert "tail cannot be started" in missing
    assert "No such file or directory" in missing
    program.write_bytes(b"\0")
    program.chmod(0o755)
    [damaged] = told()
    assert "Exec format error" in damaged
