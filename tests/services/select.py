"""Answers queries in a process of its own: pickled (URI, statement) in, pickled rows out.

`python -m tests.services.select` reads from standard input until that ends. A database is opened
for each query and closed again, so that what is asked sees what any other tool would see. An error
of the database is answered with its text in place of the rows.
"""

import pickle
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg2


def rows_of(uri, statement):
    """Return the rows of a query, times in UTC and bytes as bytes."""
    if uri.startswith("sqlite:///"):
        with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
            return database.execute(statement).fetchall()
    with closing(psycopg2.connect(uri)) as database, database.cursor() as cursor:
        cursor.execute("set time zone 'UTC'")
        cursor.execute(statement)
        rows = cursor.fetchall()
    return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]


class SelectFailed(Exception):
    """What a database answered in place of rows."""


class Selecting:
    """Asks a process of this kind, which is started when it is first asked.

    To start one for each query would take a sixth of a second.
    """

    def __init__(self):
        self._process = None
        self._one_at_a_time = threading.Lock()

    def ask(self, uri, statement):
        """Return the rows of a query."""
        with self._one_at_a_time:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.services.select"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd=Path(__file__).parents[2],
                )
            try:
                pickle.dump((uri, statement), self._process.stdin)
                self._process.stdin.flush()
                answer = pickle.load(self._process.stdout)
            except BaseException:
                self.end()  # as the next to ask would be given this answer
                raise
        if isinstance(answer, str):
            raise SelectFailed(answer)
        return answer

    def end(self):
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def main():
    """Answer until standard input ends."""
    while True:
        try:
            uri, statement = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = rows_of(uri, statement)
        except (sqlite3.Error, psycopg2.Error) as error:
            answer = str(error)
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
