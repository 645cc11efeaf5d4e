"""Prints queries and their rows: `python tools/show.py DATABASE.db QUERY...`."""

import sqlite3
import sys

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
connection = sqlite3.connect(sys.argv[1])
for query in sys.argv[2:]:
    console.print(f"[bold]sql>[/bold] {query}", soft_wrap=True)
    cursor = connection.execute(query)
    table = Table(*(column[0] for column in cursor.description))
    for row in cursor:
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)
