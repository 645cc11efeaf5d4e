"""The forms in which logs write times, zones and directions before a message."""
