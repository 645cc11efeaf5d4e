"""PTransforms over batches of FIX messages; the codec they wrap is in `transforms.fix`."""
