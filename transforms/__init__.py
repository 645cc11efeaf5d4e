"""FIX handling as PTransforms, one a file; they wire, plain functions below them work."""
