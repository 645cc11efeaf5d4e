"""HTML of messages and orders: for the pages, and for a report that stands alone.

All values are a counterparty's: whatever comes in is escaped, and no rule of style asks for
anything from elsewhere.
"""
