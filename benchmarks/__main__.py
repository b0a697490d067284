"""How much it takes to hand a log's lines to many clients: Riacho beside its peers.

`python -m benchmarks` measures and prints; `--save` also writes figures.json, the figures in
README.md and the plot; `--from-json FILE` does the same again from what was measured before.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.loads import Figures
from benchmarks.report import Machine, Results, machine, table, text
from benchmarks.rows import BENCHMARKS
from benchmarks.scale import Scale
from benchmarks.servers import RIACHO

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
README = HERE / "README.md"
PLOT = HERE.parent / "docs" / "images" / "benchmarks.svg"

BEGIN, END = "<!-- figures: written by --save -->\n", "<!-- end of the figures -->\n"


def measure(names: list[str], scale: Scale) -> Results:
    """Run the benchmarks, and show each table as soon as it is there."""
    results: Results = {}
    for name in names:
        results[name] = {}
        for who, figures in BENCHMARKS[name](scale):
            print(f"{name}: {who}", file=sys.stderr)
            results[name][who] = figures
        print(table(name, results[name]), flush=True)
    return results


def to_json(about: Machine, results: Results) -> str:
    """Everything, without what was not measured."""
    figures = {
        name: {
            who: {field: value for field, value in asdict(one).items() if value not in (None, "")}
            for who, one in rows.items()
        }
        for name, rows in results.items()
    }
    return json.dumps({"machine": about, "results": figures}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> tuple[Machine, Results]:
    """What `to_json` has written."""
    data = json.loads(text)
    results = {
        name: {who: Figures(**one) for who, one in rows.items()}
        for name, rows in data["results"].items()
    }
    return data["machine"], results


def with_figures(readme: str, figures: str) -> str:
    """The text of README.md with these figures in place of those that it has."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:9} {run.__doc__}" for name, run in BENCHMARKS.items()),
    )
    parser.add_argument(
        "benchmark", nargs="*", metavar="BENCHMARK", help="which; all of them by default"
    )
    parser.add_argument("--quick", action="store_true", help="small loads, to see that it works")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="servers whose name begins so (repeatable)"
    )
    parser.add_argument(
        "--rounds", type=int, default=1, help="repeat each load; the cheapest round counts (1)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the plot there, as SVG")
    parser.add_argument(
        "--save", action="store_true", help="write figures.json, README.md's figures and the plot"
    )
    parser.add_argument(
        "--from-json", type=Path, metavar="FILE", help="take the figures from there: do not measure"
    )
    options = parser.parse_args()
    unknown = set(options.benchmark) - BENCHMARKS.keys()
    if unknown:
        parser.error(
            f"no benchmark {', '.join(sorted(unknown))}: choose of {', '.join(BENCHMARKS)}"
        )
    if options.from_json:
        about, results = from_json(options.from_json.read_text())
    else:
        scale = Scale(
            options.quick, options.rounds, tuple(name.lower() for name in options.only or [""])
        )
        about, results = machine(), measure(options.benchmark or list(BENCHMARKS), scale)
    report = text(about, results)
    print(report)
    if options.save:
        README.write_text(with_figures(README.read_text(), report))
    for path in (options.json, FIGURES if options.save else None):
        if path:
            path.write_text(to_json(about, results))
    for path in (options.plot, PLOT if options.save else None):
        if path:
            from benchmarks.plot import draw  # what only measures needs no matplotlib

            draw(results, path)
    failed = [one for rows in results.values() for who, one in rows.items() if RIACHO.name in who]
    if any(one.problem for one in failed):
        sys.exit(1)


if __name__ == "__main__":
    main()
