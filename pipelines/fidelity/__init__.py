"""How faithfully fixfeed reads FIX: its reading of any log, field by field beside QuickFIX's."""
