"""Connectors of fixfeed, one a file; imported as `fixio`, since Python's own `io` comes first."""
