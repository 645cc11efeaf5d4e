"""Writes the README of the chart of deploy/helm: python tools/build_chart_readme.py

Its table has each value of values.yaml with what the comment before it says (`# -- ...`).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent.parent / "deploy" / "helm" / "fixfeed"


def built() -> str:
    """Return the README: the text of README.template.md with the table in it."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = [
        f"| `{'.'.join(path)}` | `{json.dumps(_at(values, path))}` | {text} |"
        for path, text in documented()
    ]
    table = "\n".join(["| value | if not given | is |", "|---|---|---|", *rows])
    return (CHART / "README.template.md").read_text().replace("TABLE", table)


def documented() -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path of each value that has a comment, and the comment."""
    path: list[str] = []
    said = ""
    for line in (CHART / "values.yaml").read_text().splitlines():
        comment = re.fullmatch(r" *# -- (.*)", line)
        key = re.match(r"( *)(\w+):", line)
        if comment:
            said = comment[1]
        elif key:
            path = [*path[: len(key[1]) // 2], key[2]]
            if said:
                yield tuple(path), said
            said = ""


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for word in path:
        values = values[word]
    return values


if __name__ == "__main__":
    (CHART / "README.md").write_text(built())
