"""Connectors of fixfeed, one a file, imported as `fixio` (Python's own `io` is always loaded first)."""
