"""The first screen of the README is the output of the demo."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VARIES = re.compile(r"done in [0-9.]+ s, [0-9,]+ messages/s")


def test_the_demo_prints_what_the_readme_shows(tmp_path):
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    bin_folder = Path(sys.executable).parent
    done = subprocess.run(
        ["sh", "tools/demo.sh"],
        cwd=tmp_path,
        capture_output=True,
        env=os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "COLUMNS": "80"},
    )
    assert done.returncode == 0, done.stderr.decode()
    printed = [VARIES.sub("done", line.strip()) for line in done.stdout.decode().splitlines()]
    screen = (ROOT / "README.md").read_text().partition("$ make demo")[2].partition("\nNeeds")[0]
    for line in screen.splitlines():
        if line.strip() not in ("", "..."):
            assert VARIES.sub("done", line.strip()) in printed
