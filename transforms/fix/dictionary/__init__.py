"""What FIX's versions, and counterparties, define: names of tags, values, groups, types."""
