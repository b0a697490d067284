"""What is shown of events: words, colours, and nothing that a terminal obeys."""

import json

import pytest

from server.follow.lines import Plain, as_json
from server.follow.terminal import visible, visible_json
from server.follow.words import words_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢字\u3000\u00a0\t👩\u200d👧", "plain é 漢字\u3000\u00a0\t👩\u200d👧"),
        ("\x1b[1;31mred\x1b[0m \x1b[38:5:9mx\x1b[m", "red x"),
        ("\x1b[2J\x1b[31", r"\x1b[2J\x1b[31"),
        ("\x1b\x1b[31m[2J", r"\x1b[2J"),
        ("\r\n\x00\x7f\x9b", r"\r\n\x00\x7f\x9b"),
        ("\u202e\u2066\u2028\ufeff\ud800", r"\u202e\u2066\u2028\ufeff\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ['{"log": "a",\n"line": "\x7f\u202e\x9b\U000e0001 \\u001b"}', '{"line": "\ud800"}']
)
def test_json_means_the_same_when_it_is_made_visible(text: str) -> None:
    assert visible_json(text).isprintable()
    assert json.loads(visible_json(text)) == json.loads(text)


@pytest.mark.parametrize("data", ["1", "{", "[1]", "", "a\nb", "[" * 100_000, "9" * 5000])
def test_what_is_no_object_becomes_one(data: str) -> None:
    assert json.loads(as_json(data)) == {"line": data}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("rotated", "{}", "the log was rotated: the next line is from the next file"),
        ("truncated", '{"log": "a"}', "a: the log was truncated, and begins anew"),
        ("gap", '{"why": "gone", "bytes": null}', "lines are missing: gone"),
        ("gap", '{"bytes": 3}', "lines are missing (3 bytes)"),
        ("gap", "no JSON", "lines are missing"),
        ("clipped", '{"length": 3, "sent": 2}',
         "the next line is longer than the server sends: 3 bytes, 2 of them came"),
        ("hole", '{"bytes": 9}', "NUL bytes that nobody wrote are left out (9 bytes)"),
        ("unfinished", "{}", "the next line has no end yet"),
        ("continued", "{}", "the next line is the rest of the one that had no end"),
        ("log-added", '{"log": "a"}', "a: it has joined the stream"),
        ("log-removed", '{"log": "a"}', "a: it has gone"),
        ("source-ended", '{"why": "it ended with 1", "again_in": 2}',
         "the source has ended: it ended with 1; it is started again in 2 s"),
        ("source-started", '{"restarts": 1}', "the source runs again"),
        ("source-lost", '{"lines": 4, "bytes": 9, "why": "full"}',
         "4 lines of the source could not be kept: full"),
        ("shutdown", "{}", "the server shuts down"),
        ("refused", '{"why": "too many"}', "the server takes no more clients now: too many"),
        ("new", "{}", "the event new: {}"),
        ("close", "{}", None),
        ("progress", "{}", None),
    ],
)  # fmt: skip
def test_events_are_told_in_words(name: str, data: str, words: str | None) -> None:
    assert words_of(name, data) == words


def test_a_line_without_a_level_has_the_colour_of_its_record() -> None:
    show = Plain(has_names=True, coloured=True)
    lines = [("a", "ERROR x"), ("b", "  y"), ("a", "  at z"), ("a", "INFO w"), ("a", "  at v")]
    name = "\x1b[35m{}\x1b[0m: ".format
    assert [show(json.dumps({"log": log, "line": text})) for log, text in lines] == [
        name("a") + "\x1b[31mERROR x\x1b[0m",
        name("b") + "  y",
        name("a") + "\x1b[31m  at z\x1b[0m",
        name("a") + "INFO w",
        name("a") + "  at v",
    ]


def test_a_stream_of_several_logs_may_hold_what_is_no_object() -> None:
    show = Plain(has_names=True, coloured=False)
    assert show("no\x1b JSON") == r": no\x1b JSON"
    assert show('{"log": ["\\u001b"], "line": "x"}') == r"['\x1b']: x"
