"""What of each source is done, and how a source is known again."""
