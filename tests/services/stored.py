"""What a database has now, while a job writes to it."""

import sqlite3
from contextlib import closing

import psycopg2

__all__ = ["rows_in"]


def rows_in(uri, column):
    """Return a column of all messages, [] while there is no database or table."""
    connect = sqlite3.connect if uri.startswith("sqlite") else psycopg2.connect
    try:
        with closing(connect(uri.removeprefix("sqlite:///"))) as connection:
            cursor = connection.cursor()
            cursor.execute(f"select {column} from messages")
            return [value for (value,) in cursor.fetchall()]
    except (sqlite3.OperationalError, psycopg2.Error):
        return []
