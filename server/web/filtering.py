"""The filter that a request asks for in its query."""

from tornado.web import HTTPError

from server.filters.filter import MOST_PATTERNS, Filter, Selection
from server.filters.pattern import PatternError
from server.web.base import BaseHandler

PARAMETERS = frozenset({"grep", "invert", "ignore_case"})
"""What a request may say of the lines that it wants."""


def filter_of(handler: BaseHandler) -> Filter | None:
    """The filter that a request asks for; None if it wants all lines.

    Raises HTTPError 400 if it cannot be taken.
    """
    patterns = tuple(dict.fromkeys(handler.get_query_arguments("grep", strip=False)))
    invert, ignore_case = handler.flag("invert"), handler.flag("ignore_case")
    if not patterns:
        for name, is_given in (("invert", invert), ("ignore_case", ignore_case)):
            if is_given:
                raise HTTPError(400, f"{name}=1 says how grep=PATTERN is meant: give that, too")
        return None
    if len(patterns) > MOST_PATTERNS:
        raise HTTPError(400, f"{len(patterns)} patterns are too many: give {MOST_PATTERNS}")
    for text in patterns:
        _check(handler, Filter((text,), ignore_case=ignore_case))
    return Filter(tuple(sorted(patterns)), invert, ignore_case)


def _check(handler: BaseHandler, wanted: Filter) -> None:
    try:
        Selection(wanted, handler.context.settings.max_line)
    except PatternError as error:
        [text] = wanted.grep
        shown = text if len(text) <= 100 else f"{text[:100]}..."
        raise HTTPError(400, "grep=%r: %s", shown, str(error)) from None
