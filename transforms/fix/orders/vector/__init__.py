"""Regular orders, all at once: the twins of the files in `orders`, with the same result."""
