"""Messages for people to read: names, meanings of codes, groups, and defects at their fields."""
