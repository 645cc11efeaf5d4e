"""The command: `python -m fixfeed`, as `fixfeed` where its script is installed."""

import sys
from pathlib import Path

# `python -m` puts the current folder first, where a folder of the user's own may be called as a
# package that ours need.
if not Path(__file__).resolve().is_relative_to(Path(sys.path[0] or ".").resolve()):
    del sys.path[0]

from fixfeed.pipelines.fixfeed import command

if __name__ == "__main__":
    sys.exit(command())
