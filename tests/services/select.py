"""Prints the rows of a query, pickled: `python -m tests.services.select URI STATEMENT`."""

import pickle
import sqlite3
import sys

import psycopg2

uri, statement = sys.argv[1:]
if uri.startswith("sqlite:///"):
    rows = sqlite3.connect(uri.removeprefix("sqlite:///")).execute(statement).fetchall()
else:
    cursor = psycopg2.connect(uri).cursor()
    cursor.execute("set time zone 'UTC'")
    cursor.execute(statement)
    rows = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in cursor]
sys.stdout.buffer.write(pickle.dumps(rows))
