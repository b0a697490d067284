"""The levels, and how they are spelled."""

import pytest

from server.formats.levels import (
    APACHE,
    LETTERS,
    MARKS,
    NUMBERS,
    PRIORITIES,
    SEVERITIES,
    WEAK,
    WORDS,
    Level,
    parse_level,
)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("warning", Level.WARNING),
        ("WARN", Level.WARNING),
        ("Err", Level.ERROR),
        ("severe", Level.ERROR),
        (" fatal ", Level.CRITICAL),
        ("EMERG", Level.CRITICAL),
        ("alert", Level.CRITICAL),
        ("panic", Level.CRITICAL),
        ("finest", Level.TRACE),
        ("notice", Level.NOTICE),
        ("debug", Level.DEBUG),
    ],
)
def test_a_level_is_known_by_its_usual_spellings(text: str, level: Level) -> None:
    assert parse_level(text) is level


@pytest.mark.parametrize("level", Level)
def test_a_level_is_known_by_its_own_name(level: Level) -> None:
    assert parse_level(level.name.lower()) is level


@pytest.mark.parametrize("text", ["", "loud", "errors", "30"])
def test_what_is_no_level_is_refused_with_those_that_are_known(text: str) -> None:
    with pytest.raises(ValueError, match="trace, debug, info, notice, warning, error, critical"):
        parse_level(text)


@pytest.mark.parametrize("table", [WORDS, LETTERS, MARKS, NUMBERS, SEVERITIES, PRIORITIES, APACHE])
def test_no_spelling_has_two_levels(table: dict[Level, tuple[str, ...]]) -> None:
    texts = [text for texts in table.values() for text in texts]
    assert len(texts) == len(set(texts))


def test_each_priority_of_syslog_has_the_level_of_its_severity() -> None:
    found = {int(text): level for level, texts in PRIORITIES.items() for text in texts}
    severities = {int(text): level for level, texts in SEVERITIES.items() for text in texts}
    assert found == {number: severities[number % 8] for number in range(192)}


def test_words_are_in_upper_case() -> None:
    words = {word for words in WORDS.values() for word in words}
    assert words == {word.upper() for word in words}
    assert words >= WEAK
