"""What is done of each source, and how a source is recognised."""
