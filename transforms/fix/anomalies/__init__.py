"""What is out of the ordinary in orders, sessions and latencies, by rules. No Beam, no I/O."""
