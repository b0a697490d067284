"""What was measured, as tables, and how it stands against the goals."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import linear_regression

from benchmarks.loads import Figures
from benchmarks.many_logs import CAT, NO_TAILS, SPOOL, TAILS
from benchmarks.rows import BENCHMARKS
from benchmarks.searching import A_LEVEL, A_WORD, ANY_CASE, LAST, RIPGREP, SINCE
from benchmarks.servers import C_FLOOR, JSON, MERGED, PEERS, RIACHO, SSE_STARLETTE, TLS_FLOOR

Results = dict[str, dict[str, Figures]]
"""The figures of each benchmark, by server or kind of load."""

Machine = dict[str, str]
"""What they were measured on."""

PACKAGES = (
    "tornado",
    "sse-starlette",
    "fastapi",
    "uvicorn",
    "httptools",
    "aiohttp",
    "aiohttp-sse",
    "uvloop",
)

MEMORY_MB = 16
"""The server's setting `--memory`, which the benchmarks leave as it is."""


def machine() -> Machine:
    """This one."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = "not installed"
    return {
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
        **packages,
    }


# --- tables ---------------------------------------------------------------------

COLUMNS: tuple[tuple[str, str, float, str], ...] = (
    ("server CPU, us/delivery", "cpu_us", 1, ".2f"),
    ("CPU, us/line", "line_us", 1, ".2f"),
    ("lines/s", "lines_s", 1, ",.0f"),
    ("deliveries/s", "deliveries_s", 1, ",.0f"),
    ("log, MB/s", "log_mb_s", 1, ".0f"),
    ("server, % of a core", "cpu_share", 100, ".2f"),
    ("p50, ms", "p50_ms", 1, ".1f"),
    ("p99, ms", "p99_ms", 1, ".1f"),
    ("longest round, ms", "blocked_ms", 1, ".1f"),
    ("while connecting, ms", "blocked_connecting_ms", 1, ".1f"),
    ("KB per client", "client_kb", 1, ".1f"),
    ("connecting, us/client", "connect_us", 1, ".0f"),
    ("memory growth, MB", "growth_mb", 1, ".1f"),
    ("socket buffers' growth, MB", "buffers_mb", 1, ".1f"),
    ("memory, MB", "memory_mb", 1, ".1f"),
    ("first event, s", "seconds", 1, ".2f"),
    ("import, s", "import_seconds", 1, ".2f"),
    ("generator, us/delivery", "generator_us", 1, ".2f"),
    ("generator, % of a core", "generator_share", 100, ".0f"),
    ("other load, % of the machine", "other_share", 100, ".0f"),
)
"""Title, field of Figures, what it is multiplied with, and format."""


def table(name: str, figures: dict[str, Figures]) -> str:
    """The markdown table of one benchmark: a column for whatever was measured."""
    columns = [
        column
        for column in COLUMNS
        if any(getattr(one, column[1]) is not None for one in figures.values())
    ]
    rows = [
        f"**{BENCHMARKS[name].__doc__}** (`{name}`)\n",
        "| | " + " | ".join(title for title, *_ in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for who, one in figures.items():
        if one.problem:
            cells = [f"FAILED: {' '.join(one.problem.split())}", *[""] * (len(columns) - 1)]
        else:
            cells = [
                "" if getattr(one, field) is None else f"{getattr(one, field) * factor:{form}}"
                for _, field, factor, form in columns
            ]
        rows.append(f"| {who} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


# --- goals ----------------------------------------------------------------------


@dataclass(frozen=True)
class Goal:
    """What one figure has to be.

    `figure` and `limit` raise KeyError or TypeError where they were not measured.
    """

    benchmark: str
    what: str
    figure: Callable[[Results], float]
    limit: Callable[[Results], float]
    at_least: bool = False


def _own(benchmark: str, field: str, who: str = RIACHO.name) -> Callable[[Results], float]:
    return lambda results: float(getattr(results[benchmark][who], field))


def _fixed(limit: float) -> Callable[[Results], float]:
    return lambda _: limit


def _cheapest_peer(results: Results) -> float:
    names = [peer.name for peer in PEERS if peer not in (RIACHO, C_FLOOR)]
    figures = [results["trickle"][name] for name in names if name in results["trickle"]]
    return min(figure.cpu_us for figure in figures if figure.cpu_us is not None)


def _tls(who: str) -> Callable[[Results], float]:
    with_tls, without = _own("tls", "cpu_us", f"{who}, TLS"), _own("tls", "cpu_us", who)
    return lambda results: with_tls(results) - without(results)


_FLOOR_US = _own("trickle", "cpu_us", C_FLOOR.name)
_FLOOR_RATE = _own("burst", "deliveries_s", C_FLOOR.name)
_STARLETTE_RATE = _own("burst", "deliveries_s", SSE_STARLETTE.name)
_STARLETTE_ALONE = _own("history", "log_mb_s", f"{SSE_STARLETTE.name}: a burst")
_TLS_ALONE = _tls(TLS_FLOOR.name)
_JSON_US = _own("merged", "cpu_us", JSON.name)
_CAT_RATE = _own("spool", "log_mb_s", CAT)
_RIPGREP_RATE = _own("search", "log_mb_s", RIPGREP)
_THOUSAND = f"{RIACHO.name}, 1,000 clients"
_UNREAD = f"{RIACHO.name}, 1,000 logs and nobody"
_MERGED = f"{RIACHO.name}, 200 logs, 10 clients of merged streams"

GOALS = (
    Goal("trickle", "us/delivery", _own("trickle", "cpu_us"), _fixed(11)),
    Goal(
        "trickle",
        "us/delivery, at most 1.6 times the C floor's",
        _own("trickle", "cpu_us"),
        lambda results: 1.6 * _FLOOR_US(results),
    ),
    Goal("trickle", "us/delivery, below all peers", _own("trickle", "cpu_us"), _cheapest_peer),
    Goal("crowd", "us/delivery", _own("crowd", "cpu_us"), _fixed(10)),
    Goal("crowd", "p99, ms", _own("crowd", "p99_ms"), _fixed(15)),
    Goal(
        "burst",
        "deliveries/s, at least 0.8 of the C floor's",
        _own("burst", "deliveries_s"),
        lambda results: 0.8 * _FLOOR_RATE(results),
        at_least=True,
    ),
    Goal(
        "burst",
        "deliveries/s, at least 200 times sse-starlette's",
        _own("burst", "deliveries_s"),
        lambda results: 200 * _STARLETTE_RATE(results),
        at_least=True,
    ),
    Goal("burst", "memory growth, MB", _own("burst", "growth_mb"), _fixed(MEMORY_MB)),
    Goal("many", "KB per client", _own("many", "client_kb"), _fixed(12)),
    Goal("many", "p99, ms", _own("many", "p99_ms"), _fixed(150)),
    Goal("many", "connecting, us/client", _own("many", "connect_us"), _fixed(250)),
    Goal("fairness", "longest round of the loop, ms", _own("fairness", "blocked_ms"), _fixed(20)),
    Goal(
        "merged",
        "us/delivery of 20 logs in one stream, at most 1.5 times that of one log as JSON",
        _own("merged", "cpu_us", MERGED.name),
        lambda results: 1.5 * _JSON_US(results),
    ),
    Goal("merged", "p99 of 20 logs, ms", _own("merged", "p99_ms", MERGED.name), _fixed(10)),
    Goal("tails", "p99 with a tail for each log, ms", _own("tails", "p99_ms", TAILS), _fixed(10)),
    Goal("tails", "p99 without, ms", _own("tails", "p99_ms", NO_TAILS), _fixed(100)),
    Goal(
        "spool",
        "MB/s, at least 300 or what cat writes",
        _own("spool", "log_mb_s", SPOOL),
        lambda results: min(300, _CAT_RATE(results)),
        at_least=True,
    ),
    Goal("history", "log read back, MB/s", _own("history", "log_mb_s"), _fixed(60), at_least=True),
    Goal(
        "history",
        "log to one client, MB/s, at least 20 times sse-starlette's",
        _own("history", "log_mb_s"),
        lambda results: 20 * _STARLETTE_ALONE(results),
        at_least=True,
    ),
    Goal("search", "MB/s for a word", _own("search", "log_mb_s", A_WORD), _fixed(500), True),
    Goal(
        "search",
        "MB/s for a word, at least a third of ripgrep's",
        _own("search", "log_mb_s", A_WORD),
        lambda results: _RIPGREP_RATE(results) / 3,
        at_least=True,
    ),
    Goal(
        "search",
        "MB/s for one of three words, any case",
        _own("search", "log_mb_s", ANY_CASE),
        _fixed(300),
        at_least=True,
    ),
    Goal("search", "MB/s for a level", _own("search", "log_mb_s", A_LEVEL), _fixed(100), True),
    Goal("search", "since a time, s", _own("search", "seconds", SINCE), _fixed(0.05)),
    Goal("search", "the last 50 with a word, s", _own("search", "seconds", LAST), _fixed(0.05)),
    Goal("history", "p99 of the other clients, ms", _own("history", "p99_ms"), _fixed(20)),
    Goal(
        "tls",
        "us/delivery that TLS adds, at most 1.1 times what it costs by itself",
        _tls(RIACHO.name),
        lambda results: 1.1 * _TLS_ALONE(results),
    ),
    Goal("start", "first event, s", _own("start", "seconds"), _fixed(0.3)),
    Goal("start", "import, s", _own("start", "import_seconds"), _fixed(0.15)),
    Goal("idle", "share of a core", _own("idle", "cpu_share", _THOUSAND), _fixed(0.01)),
    Goal("idle", "1,000 logs, share of a core", _own("idle", "cpu_share", _UNREAD), _fixed(0.01)),
    Goal("idle", "1,000 logs, MB", _own("idle", "memory_mb", _UNREAD), _fixed(60)),
    Goal("idle", "200 logs, share of a core", _own("idle", "cpu_share", _MERGED), _fixed(0.05)),
    Goal("lines", "log encoded, MB/s", _own("lines", "log_mb_s", "ASCII"), _fixed(80), True),
)


def goals(results: Results) -> str:
    """The table of the goals, of those that were measured."""
    rows = ["| benchmark | goal | limit | measured | |", "|---|---|---:|---:|---|"]
    for goal in GOALS:
        try:
            figure, limit = goal.figure(results), goal.limit(results)
        except (KeyError, TypeError, ValueError):
            continue
        is_met = figure >= limit if goal.at_least else figure <= limit
        sign = "≥" if goal.at_least else "≤"
        rows.append(
            f"| {goal.benchmark} | {goal.what} | {sign} {_short(limit)} | {_short(figure)} "
            f"| {'met' if is_met else '**missed**'} |"
        )
    return "\n".join(rows) + "\n"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# --- how cost grows -------------------------------------------------------------

# What goes over the wire for a line of 100 bytes: its frame with id and chunk, and the
# headers of TCP (with timestamps), IP and Ethernet.
_WIRE_BYTES = 100 + 40 + 66


def costs(results: Results) -> str:
    """Fitted costs, and what they come to for a million clients; empty if not measured."""
    try:
        fits = results["costs"]
        crowds = [one for name, one in fits.items() if "bytes" not in name]
        per_delivery, per_line = linear_regression(
            [one.clients for one in crowds], [one.line_us or 0.0 for one in crowds]
        )
        lengths = {100: fits["100 clients"]}
        for name, one in fits.items():
            if name.endswith("bytes a line"):
                lengths[int(name.split(", ", 1)[1].split()[0].replace(",", ""))] = one
        per_byte, _ = linear_regression(
            list(lengths), [one.cpu_us or 0.0 for one in lengths.values()]
        )
        many, one, thousand = (
            results["many"][RIACHO.name],
            results["idle"][f"{RIACHO.name}, 1 client"],
            results["idle"][_THOUSAND],
        )
        at_once = results["burst"][RIACHO.name].cpu_us or 0.0
        log_share, idle_share = one.cpu_share or 0.0, thousand.cpu_share or 0.0
        client_kb, crowd_us = many.client_kb or 0.0, many.cpu_us or 0.0
        keeping_us = max(0.0, idle_share - log_share) * 1e6 / 999
        base_mb = one.memory_mb or 0.0
        rows = [
            ("line", f"{per_line:.0f} us of CPU, however many clients there are"),
            ("delivery", f"{per_delivery:.2f} us of CPU while lines trickle in"),
            ("delivery to 10,000 clients", f"{crowd_us:.2f} us: no cache holds their data"),
            ("delivery in a burst", f"{at_once:.3f} us"),
            ("byte", f"{per_byte * 1000:.2f} ns per delivery"),
            ("client", f"{client_kb:.1f} KB, {many.connect_us or 0.0:.0f} us to connect"),
            ("client that is idle", f"{keeping_us:.2f} us a second"),
            ("log", f"{log_share * 1e3:.1f} ms of CPU a second, {MEMORY_MB} MB of recent events"),
            ("process", f"{base_mb:.0f} MB, with `tail`"),
        ]
        lines = ["| each | costs |", "|---|---|", *(f"| {what} | {how} |" for what, how in rows)]
        lines += [
            "",
            "| 1,000,000 clients | cores | processes | memory, GB | network, Gbit/s |",
            "|---|---:|---:|---:|---:|",
        ]
        for rate in (0.1, 1, 10):
            cores = 1e6 * rate * crowd_us / 1e6
            # 18,000 clients a process: below the usual limit of 20,000 descriptors
            processes = max(cores / 0.7, 1e6 / 18_000)
            memory = (1e6 * client_kb / 2**20) + processes * (base_mb + MEMORY_MB) / 1024
            network = 1e6 * rate * _WIRE_BYTES * 8 / 1e9
            lines.append(
                f"| {rate:g} lines/s | {cores:.1f} | {processes:.0f} "
                f"| {memory:.0f} | {network:.1f} |"
            )
    except (KeyError, TypeError, ValueError):
        return ""
    return "\n".join(lines) + "\n"


def text(about: Machine, results: Results) -> str:
    """All of it, as markdown."""
    parts = [", ".join(f"{name} {value}" for name, value in about.items()) + ".\n"]
    parts += ["### Goals\n", goals(results)]
    grown = costs(results)
    if grown:
        parts += ["### How cost grows\n", grown]
    parts += ["### Tables\n", *(table(name, figures) for name, figures in results.items())]
    return "\n".join(parts)
