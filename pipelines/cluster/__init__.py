"""Jobs on a cluster: what fits there, submission, progress, counts, and how they end."""
