"""The format of a log is found by some of its lines."""

from server.formats.sampling import format_of
from server.formats.table import FORMATS

HEAD = b"2026-11-27 10:00:00,123 INFO [main] org.example.Shop: opened"
APACHE = b"[Fri Nov 27 10:00:00 2026] [error] no"


def name_of(lines: list[bytes]) -> str | None:
    format = format_of(lines)
    return format.name if format else None


def test_no_lines_have_no_format() -> None:
    assert format_of([]) is format_of([b"", b"  "]) is None


def test_prose_has_no_format() -> None:
    assert format_of([b"Dear reader,", b"all is well.", b"Yours"] * 50) is None


def test_most_lines_decide() -> None:
    assert name_of([HEAD] * 3 + [APACHE]) == "log4j"
    assert name_of([HEAD] + [APACHE] * 3) == "apache-error"


def test_long_traces_do_not_hide_the_format() -> None:
    trace = [b"java.lang.IllegalStateException: no"] + [b"\tat org.example.Shop.open"] * 500
    assert name_of([HEAD, *trace] * 3) == "log4j"


def test_a_line_by_chance_is_no_format() -> None:
    assert format_of([b"words of prose"] * 99 + [HEAD]) is None


def test_all_parts_of_many_lines_are_looked_at() -> None:
    assert name_of([b"a banner"] * 300 + [HEAD] * 700) == "log4j"


def test_what_is_in_an_envelope_is_found_by_its_bodies() -> None:
    lines = [b"2026-11-27T10:00:01.5Z stdout F " + HEAD] * 3
    envelope = format_of(lines)
    assert envelope is not None
    assert (envelope.name, envelope.is_envelope) == ("cri", True)
    bodies = [body for line in lines if (body := envelope.body_of(line)) is not None]
    assert bodies == [HEAD] * 3
    assert name_of(bodies) == "log4j"


def test_what_docker_has_escaped_is_as_it_was() -> None:
    [docker] = [format for format in FORMATS if format.name == "docker"]
    line = (
        b'{"log":"{\\"msg\\":\\"caf\\u00e9\\"}\\n","stream":"stdout",'
        b'"time":"2026-11-27T10:00:00.5Z"}'
    )
    assert docker.body_of(line) == '{"msg":"café"}'.encode()
    assert docker.body_of(b'{"log":"\\x","stream":"stdout","time":"now"}') == b"\\x"
    assert docker.body_of(b"no envelope") is None
