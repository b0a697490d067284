"""The certificate by which clients that speak TLS know the server."""

import ssl

from server.errors import StartError
from server.settings import Settings


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What TLS needs, None without it. Raises StartError."""
    if settings.certfile is None:
        if settings.keyfile:
            raise StartError("--keyfile is given without --certfile: give both")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        for option, path in (("--certfile", settings.certfile), ("--keyfile", settings.keyfile)):
            if path and not path.is_file():  # to open a FIFO would wait for its writer
                problem = "it is no regular file" if path.exists() else "there is no such file"
                raise StartError(f"{option} {path}: {problem}")
        context.load_cert_chain(settings.certfile, settings.keyfile, lambda: "")
    except (OSError, ValueError) as error:
        raise StartError(
            f"--certfile {settings.certfile} and its key cannot be used ({error}): "
            "give a PEM certificate and the unencrypted private key that belongs to it"
        ) from None
    return context
