"""Connectors of fixfeed, one a file, and the ledgers that say what of each source is done."""
