"""Workers of a cluster: a pool on each of its machines, and the check that all are alike."""
