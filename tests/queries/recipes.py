"""The queries of docs/queries.md, by their headings, for each kind of database."""

import re
from pathlib import Path

__all__ = ["DATABASES", "recipes"]

DATABASES = ("SQLite", "PostgreSQL", "DuckDB")
_DOCUMENT = Path(__file__).parents[2] / "docs" / "queries.md"
_BLOCK = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)


def recipes() -> dict[str, dict[str, str]]:
    """Return heading, database and statement.

    A block of SQL is for the databases that its first line names in a comment, else for all.
    """
    found = {}
    for section in _DOCUMENT.read_text().split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        statements = {}
        for block in _BLOCK.findall(text):
            first = block.partition("\n")[0]
            named = [one for one in DATABASES if first.startswith("--") and one in first]
            for database in named or DATABASES:
                assert database not in statements, f"two queries of {title} for {database}"
                statements[database] = block.strip().rstrip(";")
        if statements:
            found[title] = statements
    return found
