"""`python -m server.doctor`."""

from server.doctor.examination import main

if __name__ == "__main__":
    main()
