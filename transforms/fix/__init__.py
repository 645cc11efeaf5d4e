"""The FIX codec: framing, dictionary, parsers and rules as plain functions; no Beam, no I/O."""
