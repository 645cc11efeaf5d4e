"""What comes from networks: a gateway that makes it durable, and a spool to follow."""
