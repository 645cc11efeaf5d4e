"""What is secret, where it is found in bytes, and what is put in its place."""
