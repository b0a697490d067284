"""Who may read: which pages of other origins."""


def allow_origin_header(origin: str | None, allowed: tuple[str, ...]) -> str | None:
    """The value of `Access-Control-Allow-Origin` for a page of `origin`, None for no header.

    See the Fetch standard, section 3.3 "CORS protocol". A page of the server's own
    origin needs none.
    """
    if "*" in allowed:
        return "*"
    return origin if origin is not None and origin in allowed else None
