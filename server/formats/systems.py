"""Formats of operating systems, and of what they and containers put around other lines."""

from server.formats.clocks import (
    EPOCH,
    GLOG,
    HEALTH,
    ISO,
    KLOG,
    MONTH_DAY,
    RAS,
    SYSLOG,
    TAI64N,
)
from server.formats.format import Example, Format
from server.formats.levels import Level

_TEN = 1795773600.0  # 2026-11-27 10:00:00 UTC
_ISO = r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
_STAMP = r"(?P<time>[A-Z][a-z]{2} +\d\d? \d\d:\d\d:\d\d(?:\.\d+)?)"

FORMATS = (
    Format(
        "cri",
        "container runtimes of Kubernetes",
        rf"^{_ISO} (?:stdout|stderr) [FP] (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"2026-11-27T10:00:00.123456789Z stderr F ERROR cannot open",
                Level.ERROR,
                _TEN + 0.123456789,
            ),
            Example(
                b'2026-11-27T10:00:00.123456789Z stdout F {"level":"warn","msg":"slow"}',
                Level.WARNING,
                _TEN + 0.123456789,
            ),
            Example(b"2026-11-27T10:00:00.5+00:00 stderr P a part", None, _TEN + 0.5),
        ),
        is_envelope=True,
    ),
    Format(
        "docker",
        "docker's json-file",
        r'^\{"log":"(?P<body>[^"\\]*(?:\\.[^"\\]*)*)","stream":"std(?:out|err)"'
        r'(?:,"[^\n]*)?,"time":"(?P<time>[^"]+)"\}',
        (ISO,),
        (
            Example(
                b'{"log":"2026-11-27 09:59:59 [ERROR] cannot open\\n","stream":"stderr",'
                b'"time":"2026-11-27T10:00:00.5Z"}',
                Level.ERROR,
                _TEN + 0.5,
            ),
            Example(
                b'{"log":"{\\"msg\\":\\"a \\\\\\"b\\\\\\"\\",\\"level\\":\\"info\\"}\\n",'
                b'"stream":"stdout","time":"2026-11-27T10:00:00.5Z"}',
                Level.INFO,
                _TEN + 0.5,
            ),
            Example(
                b'{"log":"ready\\n","stream":"stdout","time":"2026-11-27T10:00:00Z"}', None, _TEN
            ),
        ),
        is_envelope=True,
        is_escaped=True,
    ),
    Format(
        "compose",
        "docker compose logs",
        r"^(?:\x1b\[[0-9;]*[A-Za-z])*[A-Za-z][\w.-]* +(?:\x1b\[[0-9;]*m)*\| (?P<body>.*)",
        (),
        (
            Example(b"web-1  | WARNING: this is a development server", Level.WARNING),
            Example(b"\x1b[36mdb-1   | \x1b[0mready to accept connections", None),
        ),
        is_envelope=True,
    ),
    Format(
        "rfc5424",
        "syslog as RFC 5424 has it",
        r"^<(?P<level>\d{1,3})>1 (?P<time>\S+) \S+ \S+ \S+ \S+ (?P<body>.*)",
        (ISO,),
        (
            Example(
                b"<34>1 2026-11-27T10:00:00.003Z mars su - ID47 - su root failed",
                Level.CRITICAL,
                _TEN + 0.003,
            ),
            Example(
                b'<165>1 2026-11-27T10:00:00Z mars app 12 ID47 [a@1 b="c"] ERROR is a word',
                Level.NOTICE,
                _TEN,
            ),
        ),
    ),
    Format(
        "rfc3164",
        "syslog with a priority, as RFC 3164 has it",
        rf"^<(?P<level>\d{{1,3}})>{_STAMP} (?P<body>.*)",
        (SYSLOG,),
        (
            Example(b"<11>Nov 27 10:00:00 mars app[12]: no", Level.ERROR, _TEN),
            Example(b"<190>Nov  7 10:00:00 mars app: yes", Level.INFO, _TEN - 20 * 86400),
        ),
    ),
    Format(
        "syslog",
        "syslog's files, and the short output of journalctl",
        rf"^{_STAMP} \S+ (?P<body>.*)",
        (SYSLOG,),
        (
            Example(b"Nov 27 10:00:00 mars kernel: Linux version", None, _TEN),
            Example(b"Nov 27 10:00:00 mars sshd(pam_unix)[19939]: check pass", None, _TEN),
            Example(
                b"Nov 27 10:00:00 mars sshd[24324]: error: Received disconnect", Level.ERROR, _TEN
            ),
            Example(b"Nov 27 10:00:00 mars app[1]: Got ERROR from peer", None, _TEN),
            Example(
                b"Nov 27 10:00:00 mars Dropbox[2]: [1127/100000:WARNING:dns.cc(306)] Failed",
                Level.WARNING,
                _TEN,
            ),
        ),
    ),
    Format(
        "journal",
        "syslog's files with the time as ISO 8601, journalctl --output=short-iso",
        rf"^{_ISO} (?:(?P<level>[A-Z]+) )?[\w.-]+(?: [^\s:\[]+)?(?:\[\d+\])?: (?P<body>.*)",
        (ISO,),
        (
            Example(b"2026-11-27T10:00:00.123456+00:00 mars app[1]: yes", None, _TEN + 0.123456),
            Example(b"2026-11-27T10:00:00+0000 mars app[1]: fatal: no", Level.CRITICAL, _TEN),
            Example(
                b"2026-11-27T10:00:00.5+00:00 WARNING nginx[12]: slow", Level.WARNING, _TEN + 0.5
            ),
        ),
    ),
    Format(
        "kernel",
        "the Linux kernel",
        r"^(?:<(?P<level>\d)>)?\[ *\d+\.\d{6}\] (?P<body>.*)",
        (),
        (
            Example(b"[    0.000000] Linux version 6.1.0", None),
            Example(b"<3>[   12.345678] usb 1-1: device not accepting address", Level.ERROR),
        ),
    ),
    Format(
        "android",
        "Android's logcat, with threads",
        r"^(?P<time>(?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,9}) +(?:\w+ +)?\d+ +\d+ "
        r"(?P<level>[VDIWEF]) (?P<body>.*)",
        (ISO, MONTH_DAY),
        (
            Example(
                b"11-27 10:00:00.811  1702  2395 D WindowManager: ERROR is a word",
                Level.DEBUG,
                _TEN + 0.811,
            ),
            Example(
                b"11-27 10:00:00.811  root  1215  1215 W wlan: mark is reached",
                Level.WARNING,
                _TEN + 0.811,
            ),
        ),
    ),
    Format(
        "android-brief",
        "Android's logcat, brief or with the time",
        r"^(?:(?P<time>\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) +)?(?P<level>[VDIWEF])/"
        r"[^(]{1,60}\( *\d+\): (?P<body>.*)",
        (MONTH_DAY,),
        (
            Example(b"11-27 10:00:00.870 V/Config( 1766): up", Level.TRACE, _TEN + 0.87),
            Example(b"E/Config( 1766): no", Level.ERROR),
        ),
    ),
    Format(
        "klog",
        "Kubernetes, and all that logs with klog or glog",
        r"^(?P<level>[IWEF])(?P<time>\d{4}(?:\d{4})? \d\d:\d\d:\d\d\.\d+) +\d+ "
        r"[^\s:]+:\d+\] (?P<body>.*)",
        (GLOG, KLOG),
        (
            Example(b"I1127 10:00:00.123456       1 main.go:7] up", Level.INFO, _TEN + 0.123456),
            Example(b"E20261127 10:00:00.123456 12 a.cc:27] no", Level.ERROR, _TEN + 0.123456),
            Example(
                b"F1127 10:00:00.123456 1952452992 b.cc:3] no", Level.CRITICAL, _TEN + 0.123456
            ),
        ),
    ),
    Format(
        "cbs",
        "Windows' Component Based Servicing",
        r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d), (?P<level>Info|Warning|Error) +(?P<body>.*)",
        (ISO,),
        (
            Example(b"2026-11-27 10:00:00, Info                  CBS    Up", Level.INFO, _TEN),
            Example(b"2026-11-27 10:00:00, Error                 CSI    No", Level.ERROR, _TEN),
        ),
    ),
    Format(
        "bgl",
        "the RAS events of supercomputers (Blue Gene/L)",
        r"^(?:-|[A-Z_]+) \d{10} \d{4}\.\d\d\.\d\d \S+ (?P<time>\d{4}-\d\d-\d\d-\d\d\.\S+) \S+ "
        r"[A-Z]+ [A-Z]+ (?P<level>[A-Z]+) (?P<body>.*)",
        (RAS,),
        (
            Example(
                b"- 1795773600 2026.11.27 R02-M1 2026-11-27-10.00.00.675872 R02-M1 RAS KERNEL INFO"
                b" parity error corrected",
                Level.INFO,
                _TEN + 0.675872,
            ),
            Example(
                b"KERNDTLB 1795773600 2026.11.27 R02-M1 2026-11-27-10.00.00.5 R02-M1 RAS KERNEL"
                b" FATAL data TLB error interrupt",
                Level.CRITICAL,
                _TEN + 0.5,
            ),
        ),
    ),
    Format(
        "cluster",
        "syslog as clusters collect it (Thunderbird, Spirit)",
        r"^(?:-|[A-Z_]+) (?P<time>\d{10}) \d{4}\.\d\d\.\d\d \S+ [A-Z][a-z]{2} +\d\d? "
        r"\d\d:\d\d:\d\d (?P<body>.*)",
        (EPOCH,),
        (
            Example(
                b"- 1795773600 2026.11.27 dn228 Nov 27 12:00:00 dn228/dn228 crond[2915]: closed",
                None,
                _TEN,
            ),
            Example(
                b"- 1795773600 2026.11.27 adm Nov 27 12:00:00 local@adm gmetad: Warning: we failed",
                Level.WARNING,
                _TEN,
            ),
        ),
    ),
    Format(
        "healthapp",
        "an app for Android",
        r"^(?P<time>\d{8}-\d\d?:\d\d?:\d\d?:\d{1,3})\|[^|]*\|\d+\|(?P<body>.*)",
        (HEALTH,),
        (Example(b"20261127-10:0:0:83|Step_LSC|30002312|ERR is a word", None, _TEN + 0.083),),
    ),
    Format(
        "proxifier",
        "Proxifier",
        r"^\[(?P<time>\d\d\.\d\d \d\d:\d\d:\d\d)\] (?P<body>.*)",
        (MONTH_DAY,),
        (Example(b"[11.27 10:00:00] chrome.exe *64 - www.example.org:443 open", None, _TEN),),
    ),
    Format(
        "tai64n",
        "daemontools, runit and s6",
        r"^@(?P<time>[0-9a-f]{24}) (?P<body>.*)",
        (TAI64N,),
        (Example(b"@400000006b0954aa00000000 tcpserver: status: 5/30", None, _TEN),),
    ),
    Format(
        "hpc",
        "a cluster of Los Alamos",
        r"^\d+ \S+ \S+ \S+ (?P<time>\d{9,10}) -?\d (?P<body>.*)",
        (EPOCH,),
        (Example(b"344518 node-246 unix.hw net.niff.up 1795773600 1 NIFF: up", None, _TEN),),
    ),
)
