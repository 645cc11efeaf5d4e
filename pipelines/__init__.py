"""The job and its commands: flags become finished objects, and the objects a graph."""

import logging
import sys
from pathlib import Path

# Beam warns at import of extras that nobody asked for; what people need to know is printed.
logging.basicConfig(level=logging.ERROR)

# `python -m` puts the current folder first, where a folder of the user's own may be called as one
# of our packages; `-m` is what the first argument is while this is imported for it.
if sys.argv[:1] == ["-m"] and not Path(__file__).is_relative_to(sys.path[0]):
    del sys.path[0]
