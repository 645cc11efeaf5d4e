"""FIX handling as PTransforms, one per file: they only wire up plain functions that do the work."""
