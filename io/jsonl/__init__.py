"""Files of JSON lines with their ledgers, and standard output."""
