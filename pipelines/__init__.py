"""The job and its commands: flags become finished objects, and the objects a graph."""

import logging

# Beam warns at import of extras that nobody asked for; what people need to know is printed.
logging.basicConfig(level=logging.ERROR)
