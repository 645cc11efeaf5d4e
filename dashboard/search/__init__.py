"""What is searched for: the language of rules, as conditions of SQL and exactly, row by row."""
