"""What FIX's versions, and counterparties, call and allow: tags, values, groups, types."""
