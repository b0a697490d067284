"""The benchmarks: that they run, and that what is quoted of them is what they measured."""

import json
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.__main__ import FIGURES, README, from_json, to_json, with_figures
from benchmarks.report import text
from benchmarks.rows import BENCHMARKS

ROOT = Path(__file__).parent.parent


def test_the_readme_quotes_the_figures() -> None:
    readme = README.read_text()
    about, results = from_json(FIGURES.read_text())
    assert with_figures(readme, text(about, results)) == readme
    assert to_json(about, results) == FIGURES.read_text()
    assert results.keys() <= BENCHMARKS.keys()


def test_the_readme_explains_each_benchmark() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", README.read_text(), re.MULTILINE)) == set(BENCHMARKS)


def test_they_measure_a_real_server(tmp_path: Path) -> None:
    file, plot = tmp_path / "figures.json", tmp_path / "plot.svg"
    command = [sys.executable, "-m", "benchmarks", "bursts", "--quick", "--only", "riacho"]
    result = subprocess.run(
        [*command, "--json", str(file), "--plot", str(plot)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr + result.stdout
    bursts = json.loads(file.read_text())["results"]["bursts"]
    assert [one["lines"] for one in bursts.values()] == [10, 100, 1_000]
    assert all(one["cpu_us"] > 0 and one["deliveries_s"] > 0 for one in bursts.values())
    assert "</svg>" in plot.read_text()
