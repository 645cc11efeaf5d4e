"""Where messages begin and end in bytes, and what is between them."""
