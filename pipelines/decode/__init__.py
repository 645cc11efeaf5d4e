"""The command `fixfeed decode`."""
