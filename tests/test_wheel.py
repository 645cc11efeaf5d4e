"""The built wheel, installed in a fresh environment, runs the job from another folder."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.transforms.fix.messages import encode

ROOT = Path(__file__).parent.parent
NEEDS_QUICKFIX = "fixfeed.pipelines.fidelity.quickfix_process"
IMPORT_ALL = f"""if True:
    import importlib, pkgutil, fixfeed
    for module in pkgutil.walk_packages(fixfeed.__path__, "fixfeed."):
        if module.name != "{NEEDS_QUICKFIX}":
            importlib.import_module(module.name)
            print(module.name)
"""
"""Imports every installed module, and prints its name."""


def modules():
    """Return the installed names of all modules in the checkout."""
    found = set()
    for folder in ("dashboard", "fixfeed", "io", "pipelines", "transforms"):
        for file in (ROOT / folder).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            if parts[0] != "fixfeed":
                parts = ("fixfeed", *parts)
            found.add(".".join(part for part in parts if part != "__init__"))
    return found - {"fixfeed", NEEDS_QUICKFIX}


def test_the_installed_package_runs_the_job_from_another_folder(tmp_path):
    wheels = tmp_path / "wheels"
    # As a build of another version leaves it.
    stale = ROOT / "build" / "lib" / "fixio"
    stale.mkdir(parents=True, exist_ok=True)
    (stale / "__init__.py").touch()
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", wheels, ROOT],
        check=True,
    )
    (wheel,) = wheels.glob("fixfeed-*.whl")
    packed = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in packed if not name.endswith(".dist-info")} == {"fixfeed"}
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    work = tmp_path / "work"
    work.mkdir()
    (work / "day.log").write_bytes(encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, b"X")]))
    done = subprocess.run(
        [environment / "bin" / "fixfeed", "--input", "day.log", "--json", "--quiet"],
        cwd=work,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["sinks"]["sqlite:///fixfeed.db"]["stored"] == 1
    shown = subprocess.run(
        [environment / "bin" / "fixfeed", "--version"], cwd=work, capture_output=True, check=True
    )
    assert shown.stdout == b"fixfeed 0.1.0\n"
    refused = subprocess.run(
        [environment / "bin" / "fixfeed", "--input", "kafka://127.0.0.1:9/fix.raw"],
        cwd=work,
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 2
    assert "pip install 'fixfeed[kafka]'" in refused.stderr
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", f"{wheel}[dashboard,kafka]"], check=True
    )
    imported = subprocess.run(
        [python, "-c", IMPORT_ALL], cwd=work, capture_output=True, text=True, check=True
    )
    assert set(imported.stdout.split()) == modules()
    files = subprocess.run(
        [python, "-m", "zipfile", "-l", wheel], capture_output=True, check=True
    ).stdout.decode()
    assert "fixfeed/transforms/fix/dictionary/data/NOTICE" in files
    assert "tests/" not in files
