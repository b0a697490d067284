"""Servers that do Riacho's job with other libraries: stream a log's new lines as events.

Each is run with the path of a LOG, listens on a free port, tells its
address on stdout and answers any path.
"""
