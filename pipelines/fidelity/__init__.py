"""Checks how faithfully fixfeed reads FIX: compares its reading of any log with QuickFIX's."""
