"""Formats of the logging libraries of programming languages."""

from server.formats.clocks import DAY_FIRST, ISO, NUMBERS, SLASHED
from server.formats.format import Example, Format
from server.formats.levels import Level

_TEN = 1795773600.0  # 2026-11-27 10:00:00 UTC
_DATE = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?"
_ISO = rf"(?P<time>{_DATE}(?:Z| ?[+-]\d\d:?\d\d)?)"
_LEVEL = r"(?P<level>CRITICAL|ERROR|WARNING|WARN|INFO|DEBUG|TRACE|NOTSET|SUCCESS|FATAL)"
_MIXED = (
    r"(?P<level>(?i:trace|debug|info|notice|warn|warning|error|critical|fatal|alert|emergency))"
)
_ANSI = r"(?:\x1b\[[0-9;]*m)*"

FORMATS = (
    Format(
        "openstack",
        "OpenStack",
        rf"^(?:\S+ )?{_ISO} \d+ {_LEVEL} \S+ (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"nova-api.log.1.2026-11-28_13:53:08 2026-11-27 10:00:00.008 25746 INFO"
                b" nova.wsgi.server [req-1 - - -] GET /v2/ERROR",
                Level.INFO,
                _TEN + 0.008,
            ),
            Example(
                b"2026-11-27 10:00:00.008 2931 WARNING nova.virt [req-2 - - -] Unknown base file",
                Level.WARNING,
                _TEN + 0.008,
            ),
        ),
    ),
    Format(
        "hclog",
        "HashiCorp's programs",
        rf"^(?P<time>\d{{4}}-\d\d-\d\dT\S+) \[{_LEVEL}\] +(?P<body>.*)",
        (ISO,),
        (Example(b"2026-11-27T10:00:00.625Z [WARN]  agent: slow", Level.WARNING, _TEN + 0.625),),
    ),
    Format(
        "python",
        "Python's logging with the time first, in the usual variants",
        rf"^\[?{_ISO}[\]:]? ?(?:- |\| )?(?:[\w.]+ )?(?:- |\| )?\[?{_LEVEL}\b *\]?(?P<body>.*)",
        (ISO,),
        (
            Example(b"2026-11-27 10:00:00,123 - app - INFO - text", Level.INFO, _TEN + 0.123),
            Example(b"2026-11-27 10:00:00,123 ERROR app: no INFO", Level.ERROR, _TEN + 0.123),
            Example(b"2026-11-27 10:00:00,123 werkzeug DEBUG  text", Level.DEBUG, _TEN + 0.123),
            Example(b"2026-11-27 10:00:00,123 [WARNING] text", Level.WARNING, _TEN + 0.123),
            Example(
                b"2026-11-27 10:00:00.123 | SUCCESS  | app:main:12 - text",
                Level.NOTICE,
                _TEN + 0.123,
            ),
            Example(
                b"[2026-11-27 10:00:00,123: ERROR/MainProcess] text", Level.ERROR, _TEN + 0.123
            ),
        ),
    ),
    Format(
        "gunicorn",
        "gunicorn, and all that puts the time, numbers and the level in brackets",
        rf"^\[{_ISO}\] ?(?:\[[^\]]*\] ?)*\[{_MIXED} *\] ?(?P<body>.*)",
        (ISO,),
        (
            Example(b"[2026-11-27 10:00:00 +0000] [12] [INFO] up", Level.INFO, _TEN),
            Example(b"[2026-11-27 10:00:00.678] [logger] [error] no", Level.ERROR, _TEN + 0.678),
            Example(
                b"[2026-11-27 10:00:00.688][8][info][config] [source/server.cc:168] loading",
                Level.INFO,
                _TEN + 0.688,
            ),
        ),
    ),
    Format(
        "airflow",
        "Apache Airflow",
        rf"^\[{_ISO}\] \{{[^}}]*\}} {_LEVEL} - (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"[2026-11-27T10:00:00.000+0000] {taskinstance.py:1157} WARNING - late",
                Level.WARNING,
                _TEN,
            ),
        ),
    ),
    Format(
        "monolog",
        "PHP's Monolog, Laravel and Symfony",
        rf"^\[{_ISO}\] [\w-]+\.{_MIXED}: (?P<body>.*)",
        (ISO,),
        (
            Example(b"[2026-11-27 10:00:00] local.ERROR: no {}", Level.ERROR, _TEN),
            Example(
                b"[2026-11-27T10:00:00.123456+00:00] app.INFO: ERROR [] []",
                Level.INFO,
                _TEN + 0.123456,
            ),
        ),
    ),
    Format(
        "php",
        "PHP's error log",
        r"^\[(?P<time>\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [^\]]+)\] "
        r"(?:PHP (?P<level>[A-Z][a-z ]+): +)?(?P<body>.*)",
        (DAY_FIRST,),
        (
            Example(b"[27-Nov-2026 10:00:00 UTC] PHP Warning:  No", Level.WARNING, _TEN),
            Example(b"[27-Nov-2026 10:00:00 UTC] PHP Fatal error:  No", Level.CRITICAL, _TEN),
        ),
    ),
    Format(
        "ruby",
        "Ruby's Logger, and Rails",
        rf"^[DIWEFA], \[(?P<time>{_DATE})[^\]]*\] +(?P<level>[A-Z]+) -- (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"I, [2026-11-27T10:00:00.497736 #126554]  INFO -- : done",
                Level.INFO,
                _TEN + 0.497736,
            ),
            Example(b"E, [2026-11-27T10:00:00.5 #12] ERROR -- Main: no", Level.ERROR, _TEN + 0.5),
        ),
    ),
    Format(
        "env_logger",
        "Rust's env_logger",
        rf"^\[{_ISO} {_ANSI}{_LEVEL}{_ANSI} +[^\]]*\] (?P<body>.*)",
        (ISO,),
        (
            Example(b"[2026-11-27T10:00:00Z ERROR main] no", Level.ERROR, _TEN),
            Example(b"[2026-11-27T10:00:00Z \x1b[33mWARN\x1b[0m  app] slow", Level.WARNING, _TEN),
        ),
    ),
    Format(
        "tracing",
        "Rust's tracing",
        rf"^{_ANSI}{_ISO}{_ANSI} +{_ANSI}{_LEVEL}{_ANSI} (?P<body>.*)",
        (ISO,),
        (
            Example(b"2026-11-27T10:00:00.123456Z  INFO app: up", Level.INFO, _TEN + 0.123456),
            Example(
                b"\x1b[2m2026-11-27T10:00:00.123456Z\x1b[0m \x1b[31mERROR\x1b[0m app: no",
                Level.ERROR,
                _TEN + 0.123456,
            ),
        ),
    ),
    Format(
        "zap",
        "Go's zap and controllers of Kubernetes, on a console",
        rf"^{_ISO}\t{_ANSI}{_MIXED}{_ANSI}\t(?P<body>.*)",
        (ISO,),
        (
            Example(b"2026-11-27T10:00:00.625Z\tinfo\tup\t{}", Level.INFO, _TEN + 0.625),
            Example(b"2026-11-27T10:00:00.625Z\tERROR\tno", Level.ERROR, _TEN + 0.625),
        ),
    ),
    Format(
        "go",
        "Go's log and slog",
        r"^(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?) "
        rf"(?:{_LEVEL}[: ])?(?P<body>.*)",
        (SLASHED,),
        (
            Example(b"2026/11/27 10:00:00 http: superfluous WriteHeader", None, _TEN),
            Example(b"2026/11/27 10:00:00.123456 ERROR no err=EOF", Level.ERROR, _TEN + 0.123456),
        ),
    ),
    Format(
        "plain",
        "programs that put the level first: Python's logging as it is, uvicorn, logrus",
        r"^(?:\x1b\[[0-9;]*m)*\[?"
        r"(?P<level>(?i:trac|debu|erro|fata|error|warn|warning|fatal|critical|info|debug|trace))"
        r"(?:\x1b\[[0-9;]*m)*(?:[\]:]| \[|\[\d+\]) ?(?P<body>.*)",
        (),
        (
            Example(b"WARNING:root:text", Level.WARNING),
            Example(b"INFO:     127.0.0.1:41 - GET /error", Level.INFO),
            Example(b"Error: cannot open", Level.ERROR),
            Example(b"[ERROR] cannot open", Level.ERROR),
            Example(b"\x1b[31mERRO\x1b[0m[0012] no", Level.ERROR),
            Example(b"error: cannot find it", Level.ERROR),
        ),
    ),
    Format(
        "dated",
        "programs that put a time first, whatever follows",
        rf"^\[?{_ISO}[\]:,]? (?P<body>.*)",
        (ISO,),
        (
            Example(b"2026-11-27 10:00:00 ready, no ERROR", None, _TEN),
            Example(b"2026-11-27T10:00:00Z error: cannot open", Level.ERROR, _TEN),
        ),
    ),
    Format(
        "numbered",
        "programs that put the seconds since 1970 first",
        r"^\[?(?P<time>\d{10}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?)\]? (?P<body>.*)",
        NUMBERS,
        (
            Example(b"1795773600 ready", None, _TEN),
            Example(b"1795773600123 [error] no", Level.ERROR, _TEN + 0.123),
        ),
    ),
)
