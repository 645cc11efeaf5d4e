"""Who may import whom. A new arrow in ALLOWED is a decision: take it in review."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "transforms/fix": {"transforms.fix"},
    "transforms": {"transforms", "apache_beam"},
    "io": {"fixio", "transforms.fix", "apache_beam"},
    "pipelines": {"pipelines", "transforms", "fixio", "apache_beam"},
}
DRIVERS = {"psycopg2", "pgpq", "adbc_driver_sqlite", "adbc_driver_manager", "sqlite3", "duckdb"}
GUARDED = {"pipelines", "transforms", "fixio", "dashboard", "apache_beam", "tests"}
FILES = sorted(file for folder in ALLOWED for file in (ROOT / folder).rglob("*.py"))


def folder_of(file):
    return max((f for f in ALLOWED if (ROOT / f) in file.parents), key=len)


def imports_of(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield node.module


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_follow_the_arrows(file):
    folder = folder_of(file)
    guarded = [name for name in imports_of(file) if name.partition(".")[0] in GUARDED]
    strays = [
        name
        for name in guarded
        if not any(f"{name}.".startswith(f"{allowed}.") for allowed in ALLOWED[folder])
    ]
    assert strays == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_drivers_are_imported_by_their_connector_alone(file):
    drivers = {name.partition(".")[0] for name in imports_of(file)} & DRIVERS
    expected = {
        "sqlite.py": {"adbc_driver_sqlite", "adbc_driver_manager"},
        "postgresql.py": {"psycopg2", "pgpq"},
        "jsonl_ledger.py": {"sqlite3"},
    }
    assert drivers == expected.get(file.name, set())


def test_the_codec_is_imported_without_beam():
    code = "import sys, transforms.fix.parser; sys.exit('apache_beam' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
