"""`python -m server.follow`."""

import sys

if __name__ == "__main__":
    try:
        from server.follow.command import main
    except ImportError as error:
        from server.output import complain

        complain(f"follow: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    main()
