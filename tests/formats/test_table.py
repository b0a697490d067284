"""Each format is tested by its own examples."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.formats.detect import level_of
from server.formats.format import Example, Format
from server.formats.sampling import format_of
from server.formats.table import FORMATS
from tests.formats.engines import compiled

NAMES = [format.name for format in FORMATS]
LINES = [example.line for format in FORMATS for example in format.examples]
END_OF_2026 = 1798761600.0

EXAMPLES = [
    pytest.param(format, example, id=f"{format.name}-{index}")
    for format in FORMATS
    for index, example in enumerate(format.examples)
]


def test_names_are_unique() -> None:
    assert len({format.name for format in FORMATS}) == len(FORMATS) >= 16


@pytest.mark.parametrize(("format", "example"), EXAMPLES)
def test_an_example_has_its_level_and_its_time(format: Format, example: Example) -> None:
    assert format.fits(example.line)
    assert format.level_of(example.line) == example.level
    time = format.time_of(example.line, END_OF_2026)
    assert time == (None if example.time is None else pytest.approx(example.time, abs=1e-5))


@pytest.mark.parametrize(("format", "example"), EXAMPLES)
def test_both_engines_find_the_same_groups(format: Format, example: Example) -> None:
    found = compiled(format.pattern).match(example.line)
    expected = format.regex.match(example.line)
    assert expected is not None
    assert found.groups() == expected.groups()


@pytest.mark.parametrize("format", FORMATS, ids=NAMES)
def test_examples_are_taken_for_their_format(format: Format) -> None:
    lines = [example.line for example in format.examples]
    assert format_of(lines) is format


@pytest.mark.parametrize("format", FORMATS, ids=NAMES)
def test_every_pattern_is_one_of_re2_and_has_the_groups(format: Format) -> None:
    assert compiled(format.pattern)
    groups = set(format.regex.groupindex)
    assert groups <= {"time", "level", "body"}
    assert "time" in groups or not format.clocks
    assert "body" in groups


@given(st.binary() | st.sampled_from(LINES))
def test_no_line_raises_and_every_time_is_finite(line: bytes) -> None:
    level_of(line)
    for format in FORMATS:
        time = format.time_of(line, END_OF_2026)
        assert time is None or math.isfinite(time)
        format.body_of(line)
