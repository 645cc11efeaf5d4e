"""Sample logs of a trading day, for trying fixfeed and for its tests."""
