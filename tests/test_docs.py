"""What the documents say is what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.command import COMMANDS
from pipelines.connectors import SINKS
from pipelines.options import OPTIONS, read_settings
from tests.fix.messages import encode
from transforms.fix.between import REASONS
from transforms.fix.defects import MEANINGS

ROOT = Path(__file__).parent.parent
DOCS = {path.name: path.read_text() for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]}


def test_the_example_file_is_understood_and_has_every_word():
    settings = read_settings(["--config", str(ROOT / "docs" / "fixfeed.example.yaml")], {})
    assert settings.partition_by == ("date", "msg_type")
    text = (ROOT / "docs" / "fixfeed.example.yaml").read_text()
    assert set(re.findall(r"^([a-z-]+):", text, re.MULTILINE)) == {o.name for o in OPTIONS}


@pytest.mark.parametrize("kinds", [MEANINGS, REASONS], ids=["defects", "failures"])
def test_every_kind_is_explained_in_the_words_of_the_code(kinds):
    for name, meaning in kinds.items():
        assert f"| `{name}` | {meaning} |" in DOCS["operating.md"]


def test_every_connector_has_a_row():
    for scheme in SINKS:
        assert f"| {scheme} |" in DOCS["connectors.md"]


def test_every_command_is_in_the_readme():
    for command in COMMANDS:
        if command != "run":
            assert f"fixfeed {command}" in DOCS["README.md"]


def test_links_between_documents_lead_somewhere():
    for name, text in DOCS.items():
        folder = ROOT if name == "README.md" else ROOT / "docs"
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (folder / target).exists(), f"{name}: {target}"


def test_the_example_of_a_pipeline_runs(tmp_path):
    orders = [encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, s)]) for s in (b"X", b"Y", b"X")]
    (tmp_path / "day.log").write_bytes(b"\n".join(orders))
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "orders_per_symbol.py", tmp_path / "*.log"],
        capture_output=True,
        check=True,
    )
    assert sorted(done.stdout.split(b"\n")) == [b"", b"X 2", b"Y 1"]
