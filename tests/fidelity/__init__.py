"""How faithfully fixfeed reads FIX: its reading of any log, field by field beside QuickFIX's.

python -m tests.fidelity FILE...
"""

import logging

# Beam warns of extras that are not installed when it is imported.
logging.basicConfig(level=logging.ERROR)
