"""Older SQLite libraries can open a database with the views."""

import re

from fixfeed.io.views import views
from fixfeed.transforms.fix.protocol import FIX


def test_the_views_of_sqlite_have_no_syntax_that_came_after_3_30():
    # A view that SQLite cannot parse makes the whole file unreadable: malformed database schema.
    for name, query in views("sqlite", FIX.table).items():
        assert not re.search(r"->|materialized|is (not )?distinct", query), name
