"""The filter that a request asks for in its query."""

from tornado.web import HTTPError

from server.filters.filter import MOST_PATTERNS, Filter, Selection
from server.filters.pattern import PatternError
from server.formats.levels import Level, parse_level
from server.web.base import BaseHandler

PARAMETERS = frozenset({"grep", "invert", "ignore_case", "level"})
"""What a request may say of the lines that it wants."""


def filter_of(handler: BaseHandler) -> Filter | None:
    """The filter that a request asks for; None if it wants all lines.

    Raises HTTPError 400 if it cannot be taken.
    """
    level = _level_of(handler)
    patterns = tuple(dict.fromkeys(handler.get_query_arguments("grep", strip=False)))
    invert, ignore_case = handler.flag("invert"), handler.flag("ignore_case")
    if not patterns:
        for name, is_given in (("invert", invert), ("ignore_case", ignore_case)):
            if is_given:
                raise HTTPError(400, f"{name}=1 says how grep=PATTERN is meant: give that, too")
        return None if level is None else _checked(handler, Filter(level=level))
    if len(patterns) > MOST_PATTERNS:
        raise HTTPError(400, f"{len(patterns)} patterns are too many: give {MOST_PATTERNS}")
    for text in patterns:
        _checked(handler, Filter((text,), ignore_case=ignore_case))
    return _checked(handler, Filter(tuple(sorted(patterns)), invert, ignore_case, level))


def _level_of(handler: BaseHandler) -> Level | None:
    text = handler.get_query_argument("level", None)
    try:
        return None if text is None else parse_level(text)
    except ValueError as error:
        raise HTTPError(400, "level=%s", str(error)) from None


def _checked(handler: BaseHandler, wanted: Filter) -> Filter:
    """The filter. Raises HTTPError 400 if it cannot be taken."""
    try:
        Selection(wanted, handler.context.settings.max_line)
    except PatternError as error:
        what = f"grep={wanted.grep[0][:100]!r}" if wanted.grep else "level"
        raise HTTPError(400, "%s: %s", what, str(error)) from None
    return wanted
