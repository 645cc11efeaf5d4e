"""How long requests waited for their answers, as a pure function of messages."""
