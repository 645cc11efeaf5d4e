"""The first screen of the README is the output of the demo."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VARIES = re.compile(r"done in [0-9.]+ s, [0-9,]+ messages/s")


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What the demo prints, without white space at both ends of lines; and the manifest."""
    tmp_path = tmp_path_factory.mktemp("demo")
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    bin_folder = Path(sys.executable).parent
    done = subprocess.run(
        ["sh", "tools/demo.sh"],
        cwd=tmp_path,
        capture_output=True,
        env=os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "COLUMNS": "80"},
    )
    assert done.returncode == 0, done.stderr.decode()
    lines = [VARIES.sub("done", line.strip()) for line in done.stdout.decode().splitlines()]
    return lines, json.loads((tmp_path / "demo" / "logs" / "manifest.json").read_bytes())


def test_the_demo_prints_what_the_readme_shows(printed):
    lines, _ = printed
    screen = (ROOT / "README.md").read_text().partition("$ make demo")[2].partition("\nNeeds")[0]
    for line in screen.splitlines():
        if line.strip() not in ("", "..."):
            assert VARIES.sub("done", line.strip()) in lines


def test_the_fills_in_the_readme_are_those_that_the_manifest_knows(printed):
    lines, manifest = printed
    start = next(n for n, line in enumerate(lines) if re.match("sql>.* from fills", line))
    rows = {}
    for line in lines[start + 4 :]:
        if not line.startswith("│"):
            break
        symbol, *numbers = line.strip("│").split("│")
        rows[symbol.strip()] = [float(number) for number in numbers]
    assert rows == {
        symbol: [truth["fills"], truth["quantity"], truth["notional"]]
        for symbol, truth in manifest["total"]["fills"].items()
    }
    assert len(rows) == 7
