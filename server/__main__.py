"""`python -m server`, or `riacho`."""

import signal


def main() -> None:
    """Run the server. SIGHUP, which would end it, waits from now on until the server is up."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    from server.cli import main as run  # that takes a third of a second

    run()


if __name__ == "__main__":
    main()
