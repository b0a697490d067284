"""Which pages of other origins may read."""

import pytest

from server.security import allow_origin_header


@pytest.mark.parametrize(
    ("origin", "allowed", "header"),
    [
        (None, (), None),
        ("https://a.example", (), None),
        ("null", (), None),
        ("null", ("null",), "null"),
        ("https://a.example", ("https://a.example", "https://b.example"), "https://a.example"),
        ("https://a.example.evil", ("https://a.example",), None),
        ("http://a.example", ("https://a.example",), None),
        (None, ("https://a.example",), None),
        ("https://a.example", ("*",), "*"),
        (None, ("*",), "*"),
    ],
)
def test_only_allowed_origins_are_named(
    origin: str | None, allowed: tuple[str, ...], header: str | None
) -> None:
    assert allow_origin_header(origin, allowed) == header
