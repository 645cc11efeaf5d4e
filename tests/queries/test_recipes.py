"""The queries of docs/queries.md say the same in all databases, and what is true."""

import pytest

from tests.queries.expected import EXPECTED
from tests.queries.recipes import DATABASES, recipes

RECIPES = recipes()


def test_every_recipe_has_an_answer_that_was_worked_out_by_hand():
    assert list(EXPECTED) == list(RECIPES)
    assert all(set(statements) == set(DATABASES) for statements in RECIPES.values())


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_gives_the_right_rows(recipe, database, asked, select):
    rows = asked.rows(select, database, RECIPES[recipe][database])
    assert rows == EXPECTED[recipe]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_gives_the_same_rows_of_the_sample_day_everywhere(recipe, sample, select):
    stored, _ = sample
    sqlite, *others = (
        stored.rows(select, database, RECIPES[recipe][database]) for database in DATABASES
    )
    assert sqlite
    for rows in others:
        assert rows == sqlite


@pytest.mark.parametrize("database", DATABASES)
def test_the_fills_of_the_sample_day_are_those_of_its_manifest(database, sample, select):
    stored, manifest = sample
    found = stored.rows(select, database, RECIPES["Fills by symbol"][database])
    assert {symbol: row for symbol, *row, _ in found} == {
        symbol: [truth["fills"], truth["quantity"], truth["notional"]]
        for symbol, truth in manifest["total"]["fills"].items()
    }
