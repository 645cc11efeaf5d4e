"""How a database would run the queries of a function."""

from contextlib import contextmanager


@contextmanager
def plans_of(database):
    """Collect the plans of all queries meanwhile, as a list of texts."""
    rows, plans = database.rows, []

    def planned(statement, *values, **options):
        database.rows = rows
        if database.dialect == "postgresql":
            # Whether an index can be used at all: so few rows are read fastest without one.
            off = "set enable_seqscan = off; "
            plan = rows(f"{off}explain {statement}", *values)
            plans.append("\n".join(str(row["QUERY PLAN"]) for row in plan))
        else:
            plans.append(database.plan(statement, *values))
        found = rows(statement, *values, **options)
        database.rows = planned
        return found

    database.rows = planned
    try:
        yield plans
    finally:
        database.rows = rows
