"""Formats of web servers, databases and other services."""

from server.formats.clocks import COMMON, CTIME, DAY_FIRST, EPOCH, ISO, SLASHED
from server.formats.format import Example, Format
from server.formats.levels import Level

_TEN = 1795773600.0  # 2026-11-27 10:00:00 UTC
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"

FORMATS = (
    Format(
        "access",
        "web servers: the common and the combined log format",
        r"^\S+ \S+ [^\[]*\[(?P<time>\d\d?/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
        r'(?P<body>".*)',
        (COMMON,),
        (
            Example(
                b'127.0.0.1 - - [27/Nov/2026:10:00:00 +0000] "GET /?level=error HTTP/1.1" 500 1',
                None,
                _TEN,
            ),
            Example(
                b'::1 - frank [27/Nov/2026:07:00:00 -0300] "GET / HTTP/1.0" 200 23 "-" "curl"',
                None,
                _TEN,
            ),
        ),
    ),
    Format(
        "apache-error",
        "Apache's error log",
        r"^\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} +\d\d? \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\] "
        r"\[(?:[\w.-]*:)?(?P<level>[a-z]+\d?)\] (?P<body>.*)",
        (CTIME,),
        (
            Example(b"[Fri Nov 27 10:00:00 2026] [notice] workerEnv.init() ok", Level.NOTICE, _TEN),
            Example(
                b"[Fri Nov 27 10:00:00 2026] [error] mod_jk child in error state 6",
                Level.ERROR,
                _TEN,
            ),
            Example(
                b"[Fri Nov 27 10:00:00.712806 2026] [mpm_prefork:notice] [pid 17725] AH00163: up",
                Level.NOTICE,
                _TEN + 0.712806,
            ),
            Example(
                b"[Fri Nov 27 10:00:00.712806 2026] [core:crit] [pid 2:tid 3] [client ::1:5] no",
                Level.CRITICAL,
                _TEN + 0.712806,
            ),
        ),
    ),
    Format(
        "nginx-error",
        "nginx's error log",
        r"^(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>[a-z]+)\] \d+#\d+: (?P<body>.*)",
        (SLASHED,),
        (
            Example(b"2026/11/27 10:00:00 [error] 12#12: *1 open() failed", Level.ERROR, _TEN),
            Example(b"2026/11/27 10:00:00 [warn] 12#0: an [error] follows", Level.WARNING, _TEN),
            Example(b"2026/11/27 10:00:00 [emerg] 12#0: bind() failed", Level.CRITICAL, _TEN),
        ),
    ),
    Format(
        "postgresql",
        "PostgreSQL",
        r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})? [A-Z]{2,5}|[^ ]* [^ ]* [+-]\d\d)"
        r" \[\d+(?:-\d+)?\](?:[^\"']*?)? ?"
        r"(?P<level>DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC"
        r"|DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION):  (?P<body>.*)",
        (ISO,),
        (
            Example(b"2026-11-27 10:00:00.127 UTC [12347] LOG:  ready", Level.INFO, _TEN + 0.127),
            Example(
                b'2026-11-27 10:00:00.127 UTC [12347] postgres@shop ERROR:  relation "a" not there',
                Level.ERROR,
                _TEN + 0.127,
            ),
            Example(
                b"2026-11-27 11:00:00.127 CET [12] STATEMENT:  SELECT 'ERROR'", None, _TEN + 0.127
            ),
            Example(b"2026-11-27 10:00:00 UTC [12] PANIC:  could not write", Level.CRITICAL, _TEN),
        ),
    ),
    Format(
        "mysql",
        "MySQL and MariaDB",
        rf"^(?P<time>{_ISO}) +\d+ \[(?P<level>Note|Warning|ERROR|Error|System)\] (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"2026-11-27T10:00:00.835618Z 0 [Note] [MY-012487] [InnoDB] recovery : begin",
                Level.INFO,
                _TEN + 0.835618,
            ),
            Example(
                b"2026-11-27T10:00:00.835618Z 0 [System] [MY-010116] [Server] starting",
                None,
                _TEN + 0.835618,
            ),
            Example(b"2026-11-27 10:00:00 0 [Warning] no root", Level.WARNING, _TEN),
        ),
    ),
    Format(
        "redis",
        "Redis and Valkey",
        r"^\d+:[XCSM] (?P<time>\d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}) "
        r"(?P<level>[.*#-]) (?P<body>.*)",
        (DAY_FIRST,),
        (
            Example(b"1:M 27 Nov 2026 10:00:00.984 * clock", Level.NOTICE, _TEN + 0.984),
            Example(b"1:M 27 Nov 2026 10:00:00.984 # memory", Level.WARNING, _TEN + 0.984),
            Example(b"12:C 27 Nov 2026 10:00:00.984 - done", Level.INFO, _TEN + 0.984),
            Example(b"1:S 27 Nov 2026 10:00:00.984 . 0 clients", Level.DEBUG, _TEN + 0.984),
        ),
    ),
    Format(
        "mongodb",
        "MongoDB before 4.4",
        rf"^(?P<time>{_ISO}) (?P<level>[DIWEF])\d? +[A-Z]\w+ +\[(?P<body>.*)",
        (ISO,),
        (
            Example(
                b"2026-11-27T10:00:00.123+0000 I NETWORK  [listener] up", Level.INFO, _TEN + 0.123
            ),
        ),
    ),
    Format(
        "mongodb-json",
        "MongoDB from 4.4 on",
        r'^\{"t":\{"\$date":"(?P<time>[^"]+)"\}, *"s":"(?P<level>[DIWEF])\d?"(?P<body>.*)',
        (ISO,),
        (
            Example(
                b'{"t":{"$date":"2026-11-27T10:00:00.123+00:00"},"s":"W",  "c":"NETWORK"}',
                Level.WARNING,
                _TEN + 0.123,
            ),
        ),
    ),
    Format(
        "cups",
        "CUPS",
        r"^(?P<level>[DIWEN]) \[(?P<time>[^\]]+)\] (?P<body>.*)",
        (COMMON,),
        (Example(b"E [27/Nov/2026:10:00:00 +0000] no printer", Level.ERROR, _TEN),),
    ),
    Format(
        "squid",
        "Squid's access log",
        r"^(?P<time>\d{10}\.\d{3}) +\d+ \S+ [A-Z_]+/\d{3} (?P<body>.*)",
        (EPOCH,),
        (
            Example(
                b"1795773600.250    90 10.0.0.1 TCP_MISS/200 1 GET http://a/ERROR",
                None,
                _TEN + 0.25,
            ),
        ),
    ),
    Format(
        "uwsgi",
        "uWSGI's requests",
        r"^\[pid: \d+\|.{1,120}? \[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} +\d\d? [\d:]{8} \d{4})\] "
        r"(?P<body>.*)",
        (CTIME,),
        (
            Example(
                b"[pid: 88|app: 0|req: 1/1] 127.0.0.1 () {38 vars in 696 bytes} "
                b"[Fri Nov 27 10:00:00 2026] GET /error => generated 4 bytes",
                None,
                _TEN,
            ),
        ),
    ),
    Format(
        "hostd",
        "VMware",
        rf"^(?P<time>{_ISO}) (?P<level>[a-z]+) +\S+ *\[\w+\] (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"2026-11-27T10:00:00.498Z warning vpxd[47756] [Originator@6876] It was thrown",
                Level.WARNING,
                _TEN + 0.498,
            ),
        ),
    ),
)
