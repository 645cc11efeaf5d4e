"""The commands in README.md and docs/*.md, and a folder to run them in unchanged."""

import gzip
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from fixfeed.pipelines.fidelity.dictionary_xml import write_dictionaries
from fixfeed.pipelines.options import EPILOG
from tests.services.ports import free_port

__all__ = ["commands", "make_place", "queries", "run"]

ROOT = Path(__file__).parent.parent
_PROGRAMS = ("fixfeed", "python", "duckdb", "jq", "zcat", "pip", "make", "pandas")
_COUNT = re.compile(r"(?<=--messages )\d+")


def commands(text: str) -> list[str]:
    """Return the command lines of a document, from code blocks and from inline code."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        found += block.splitlines()
    text = re.sub(r"^```.*?^```\n", "", text, flags=re.MULTILINE | re.DOTALL)
    for line in re.findall(r"^    (.*)", text, re.MULTILINE):
        if line.startswith("$ ") or (line.partition(" ")[0] in _PROGRAMS and " " in line.strip()):
            found.append(line.removeprefix("$ "))
    found += [code for code in re.findall(r"`([^`\n]+)`", text) if _is_command(code)]
    return list(dict.fromkeys(found))


def _is_command(code: str) -> bool:
    program = re.match(r"\w+(?!\.)\b", code)
    return bool(program) and program[0] in _PROGRAMS and re.search(r"\s|\(", code) is not None


def queries(text: str) -> Iterator[tuple[str, str]]:
    """Yield each statement with its databases: `SQLite`, `PostgreSQL` or both."""
    for block in re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for statement in filter(str.strip, block.split(";\n")):
            comment = " ".join(re.findall(r"^--(.*)", statement, re.MULTILINE))
            alone = re.search(r"(\w+) alone", comment)
            yield alone[1] if alone else "SQLite PostgreSQL", statement
    for code in re.findall(r"`(create [^`\n]+)`", text):
        yield "PostgreSQL", code


def make_place(folder: Path) -> None:
    """Make everything the commands name in a folder: logs, dictionaries, tables, configuration."""
    _call(folder, "fixfeed sample --output sample --messages 1500")
    for name in ("logs/2025/deep", "more", "samples", "demo", "bin"):
        (folder / name).mkdir(parents=True)
    for packed in ("logs/day.log.gz", "day.gz"):
        (folder / packed).write_bytes(gzip.compress((folder / "sample" / "pipe.log").read_bytes()))
    for copy in ("logs/day.log", "logs/2025/deep/day.fix", "more/other.log"):
        (folder / copy).write_bytes((folder / "sample" / "pipe.log").read_bytes())
    shutil.copy(folder / "sample" / "quickfix.log", folder / "day.log")
    shutil.copy(folder / "sample" / "pipe.log", folder / "samples" / "one.log")
    shutil.move(folder / "sample", folder / "demo" / "logs")
    connection = folder / "fixfeed-spool" / "tcp-0.0.0.0-9876"
    connection /= "2026-11-27T00.30.45.123456Z-10.0.0.7-51234"
    connection.mkdir(parents=True)
    shutil.copy(folder / "day.log", connection / "000000000000.log")
    (folder / "dictionaries").mkdir()
    write_dictionaries(folder / "dictionaries")
    shutil.copy(folder / "dictionaries" / "FIX44.xml", folder / "broker.xml")
    for key in ("key", "mask.key"):
        (folder / key).write_bytes(b"of the hashes")
    (folder / "symbols.csv").write_text("symbol,desk\nAAPL,north\n")
    (folder / "rules.yaml").write_text("price_off: {percent: 2}\n")
    shutil.copy(ROOT / "docs" / "fixfeed.example.yaml", folder / "fixfeed.yaml")
    # The command line of DuckDB, which the Python package lacks.
    shim = f"""\
        #!{sys.executable}
        import sys, duckdb
        database = duckdb if sys.argv[1] == "-c" else duckdb.connect(sys.argv[1], read_only=True)
        print(database.sql(sys.argv[2]))
        """
    (folder / "bin" / "duckdb").write_text(textwrap.dedent(shim))
    (folder / "bin" / "duckdb").chmod(0o755)


def is_stream(command: str) -> bool:
    """Return whether a command runs until it is stopped."""
    return re.search(r"follow:|tcp:|spool:|--input .?kafka:", command) is not None


def with_values(command: str) -> str:
    """Return a command with smaller counts of messages, and streams that end.

    `FOLDER`, `URI` and `LOG`, the reader's own values, are filled in.
    """
    command = _COUNT.sub("1000", command)
    if "replay:" in command:
        command = re.sub(r"speed=\d+", "speed=0", command)
    # Tests run side by side, and with those of other people.
    command = re.sub(r"(tcp://[\d.]+):\d+", lambda found: f"{found[1]}:{free_port()}", command)
    command = re.sub(r"--metrics-port \d+", "--metrics-port 0", command)
    command = re.sub(r"--metrics-wait \w+", "--metrics-wait 100ms", command)
    if is_stream(command):
        command = re.sub(" --until [0-9:]+", "", command).replace(
            "fixfeed ", "fixfeed --for 2s ", 1
        )
    for word, value in (("FOLDER", "new"), ("URI", "sqlite:///fixfeed.db"), ("LOG", "day.log")):
        command = re.sub(rf"\b{word}\b", value, command)
    if command.startswith("pandas."):
        command = f'python -c "import pandas; print({command})"'
    return command


def run(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command unchanged, but for what `with_values` changes."""
    return _call(folder, with_values(command), **environment)


def _call(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    path = os.pathsep.join(
        [str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)} | environment,
    )


HELP_EXAMPLES = "\n".join(f"    {line.strip()}" for line in EPILOG.splitlines())
"""The examples of --help, as a document."""
