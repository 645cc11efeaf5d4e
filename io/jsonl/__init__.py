"""Files of JSON lines, and what is remembered beside them; standard output."""
