"""What messages say about orders and their executions. No Beam, no I/O."""
