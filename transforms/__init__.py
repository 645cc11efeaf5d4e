"""Protocols, and PTransforms, one per file, that only wire up plain functions that do the work."""
