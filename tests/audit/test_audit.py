"""A minute of the loss audit."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long


@pytest.mark.timeout(300)
def test_a_minute_of_chaos_loses_and_doubles_nothing() -> None:
    command = [sys.executable, "-m", "tests.audit", "--minutes", "1", "--seed", "1"]
    root = Path(__file__).parent.parent.parent
    audit = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    counts = dict(re.findall(r"^([a-z ]+): (\d+)$", audit.stdout, re.MULTILINE))
    assert int(counts["actions"]) > 20
    assert int(counts["deliveries"]) > 50_000
