"""The FIX codec: plain functions over bytes, without Beam and without I/O."""
