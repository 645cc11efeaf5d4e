"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("dashboard", "fixfeed", "io", "pipelines", "transforms")
MODULES = sorted(
    ".".join(("fixfeed", *file.relative_to(ROOT).with_suffix("").parts)).replace(
        "fixfeed.fixfeed.", "fixfeed."
    )
    for folder in FOLDERS
    for file in (ROOT / folder).rglob("*.py")
    if ">>> " in file.read_text()
)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_are_true(module):
    done = doctest.testmod(importlib.import_module(module))
    assert done.attempted > 0
    assert done.failed == 0
