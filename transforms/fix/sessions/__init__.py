"""What sessions did: their sequence numbers and their days, as pure functions of messages."""
