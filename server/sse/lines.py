"""The lines of a stream of events, whose bytes come in pieces that are cut anywhere."""

import codecs
import re
from collections.abc import Iterable, Iterator

_LINE_END = re.compile("\r\n|\n|\r")


def lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a stream that is cut anywhere; CRLF, LF and CR each end one.

    The pieces of a line that has not ended are kept apart, so that each is looked at once.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    pieces: list[str] = []
    ended_in_cr = False
    for chunk in chunks:
        text = decoder.decode(chunk)
        if not text:
            continue
        if ended_in_cr:
            text = text.removeprefix("\n")  # the rest of a CRLF, whose line was given already
        ended_in_cr = text.endswith("\r")
        first, *others = _LINE_END.split(text)
        pieces.append(first)
        for other in others:
            yield "".join(pieces)
            pieces = [other]
