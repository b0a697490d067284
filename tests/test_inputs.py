"""Small files that are read at a start: whatever they are, reading them ends."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from server import inputs
from server.inputs import read_input


def test_a_file_and_a_pipe_are_read_to_their_end(tmp_path: Path) -> None:
    text = "é" * 100_000
    (tmp_path / "file").write_text(text)
    os.mkfifo(tmp_path / "fifo")
    writer = threading.Thread(target=(tmp_path / "fifo").write_text, args=(text,))
    writer.start()
    assert read_input(tmp_path / "file") == text
    assert read_input(tmp_path / "fifo") == text
    writer.join()
    assert read_input(Path(os.devnull)) == ""


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "does not end within"),
        (lambda path: path.write_bytes(b"x" * (inputs.MOST + 1)), "more than"),
        (lambda path: path.symlink_to("/dev/zero"), "more than"),
        (Path.mkdir, "Is a directory"),
        (lambda path: None, "No such file"),
    ],
)
def test_what_has_no_end_or_cannot_be_read_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], why: str
) -> None:
    monkeypatch.setattr(inputs, "PATIENCE", 0.1)
    make(tmp_path / "input")
    with pytest.raises(OSError, match=why):
        read_input(tmp_path / "input")


def test_a_pipe_whose_writer_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "PATIENCE", 0.1)
    reader, writer = os.pipe()
    try:
        os.write(writer, b"sesame\n")
        with pytest.raises(OSError, match="does not end within"):
            read_input(Path(f"/dev/fd/{reader}"))
    finally:
        os.close(reader)
        os.close(writer)
