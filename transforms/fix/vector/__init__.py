"""A block at once: each file is the equal of the one of its name in `scalar`, or serves them."""
