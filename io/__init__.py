"""Connectors of fixfeed, and the ledgers that record what is done of each source."""
