"""Formats whose lines consist of named fields: JSON and logfmt."""

from server.formats.clocks import ISO, NUMBERS, SLASHED
from server.formats.format import Example, Format
from server.formats.levels import Level

_TEN = 1795773600.0  # 2026-11-27 10:00:00 UTC
_CLOCKS = (ISO, SLASHED, *NUMBERS)
_TIME = r'"(?:@?timestamp|time|ts|@t|__REALTIME_TIMESTAMP)" *: *"?(?P<time>[^",}]+)'

FORMATS = (
    Format(
        "journal-json",
        "journalctl --output=json",
        r'^\{.*"__REALTIME_TIMESTAMP" *: *"(?P<time>\d+)"(?P<body>.*)',
        NUMBERS,
        (
            Example(
                b'{"PRIORITY":"3","MESSAGE":"no","__REALTIME_TIMESTAMP":"1795773600500000"}',
                Level.ERROR,
                _TEN + 0.5,
            ),
        ),
    ),
    Format(
        "bunyan",
        "pino and bunyan, whose levels are numbers",
        rf'^(?P<body>\{{.*?"level" *: *[1-6]0 *,.*{_TIME}.*)',
        _CLOCKS,
        (
            Example(
                b'{"level":30,"time":1795773600537,"pid":17,"msg":"an error"}',
                Level.INFO,
                _TEN + 0.537,
            ),
            Example(
                b'{"name":"app","pid":7,"level":50,"msg":"no","time":"2026-11-27T10:00:00.243Z",'
                b'"v":0}',
                Level.ERROR,
                _TEN + 0.243,
            ),
            Example(
                b'{"level":60,"time":1795773600537,"msg":"over"}', Level.CRITICAL, _TEN + 0.537
            ),
        ),
    ),
    Format(
        "json",
        "programs that log JSON: zap, zerolog, logrus, structlog, slog, Logstash, ECS, GCP, .NET",
        rf"^(?P<body>\{{.*{_TIME}.*)",
        _CLOCKS,
        (
            Example(
                b'{"level":"info","ts":1795773600.3152757,"caller":"a.go:1","msg":"an error"}',
                Level.INFO,
                _TEN + 0.3152757,
            ),
            Example(
                b'{"event": "no", "level": "error", "timestamp": "2026-11-27T10:00:00Z"}',
                Level.ERROR,
                _TEN,
            ),
            Example(
                b'{"msg":"say \\"level\\":\\"error\\"","a":{"level":"error"},"severity":"WARNING",'
                b'"time":"2026-11-27T10:00:00Z"}',
                Level.WARNING,
                _TEN,
            ),
            Example(
                b'{"@timestamp":"2026-11-27T10:00:00.631Z","log.level":"debug","message":"a"}',
                Level.DEBUG,
                _TEN + 0.631,
            ),
            Example(
                b'{"@timestamp":"2026-11-27T10:00:00.631Z","log":{"logger":"app","level":"error"}}',
                Level.ERROR,
                _TEN + 0.631,
            ),
            Example(
                b'{"@t":"2026-11-27T10:00:00.5Z","@mt":"no","@l":"Fatal"}',
                Level.CRITICAL,
                _TEN + 0.5,
            ),
            Example(b'{"time":"2026-11-27T10:00:00Z","errors":0}', None, _TEN),
        ),
    ),
    Format(
        "logfmt",
        "logfmt: Grafana, Prometheus, logrus, slog",
        r'^(?P<body>(?:[\w.@-]+=(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^ "]*) +)*'
        r'(?:time|ts|t)="?(?P<time>[^ "]+).*)',
        _CLOCKS,
        (
            Example(
                b'time="2026-11-27T10:00:00Z" level=warning msg="an error" errors=0',
                Level.WARNING,
                _TEN,
            ),
            Example(
                b"ts=2026-11-27T10:00:00.5Z caller=main.go:1 level=error err=EOF",
                Level.ERROR,
                _TEN + 0.5,
            ),
            Example(b'level=info ts=1795773600.25 msg="level=error"', Level.INFO, _TEN + 0.25),
            Example(b"t=2026-11-27T10:00:00Z lvl=eror errors=0", None, _TEN),
        ),
    ),
)
