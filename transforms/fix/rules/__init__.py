"""The language of rules: which messages are meant."""
