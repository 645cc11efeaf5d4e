"""What tools/compose.sh has an engine do, and what it says where there is none."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
NEEDED = ("cat", "dirname", "od", "sed", "sh", "tr")
ENGINE = """#!/bin/sh
echo "$(basename "$0") IMAGE_TAG=$IMAGE_TAG $*" >>"$CALLS"
[ "$1" != compose ] || [ -z "$NO_COMPOSE" ]
"""


@pytest.fixture
def place(tmp_path):
    """A copy of what the script uses, and a folder with all programs that it finds."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "compose.sh", tmp_path / "tools")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns(".env"))
    (tmp_path / "bin").mkdir()
    for program in (*NEEDED, "basename"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    return tmp_path


def compose(place, *words, engines=(), **environment):
    """Run the script with engines that only note what they are told; return what they noted."""
    for engine in engines:
        (place / "bin" / engine).write_text(ENGINE)
        (place / "bin" / engine).chmod(0o755)
    calls = place / "calls"
    calls.write_text("")
    done = subprocess.run(
        [place / "tools" / "compose.sh", *words],
        env={"PATH": str(place / "bin"), "CALLS": str(calls), **environment},
        capture_output=True,
        text=True,
    )
    return done, calls.read_text().replace(f" IMAGE_TAG={VERSION}", "").splitlines()


def test_without_an_engine_it_says_so_and_ends_with_3(place):
    done, calls = compose(place)
    assert (done.returncode, calls) == (3, [])
    assert "no engine runs here: start docker" in done.stderr
    done, _ = compose(place, "build", ENGINE="podman")
    assert (done.returncode, "'podman info' fails" in done.stderr) == (3, True)


def test_it_builds_and_starts_all_with_passwords_that_it_makes_once(place):
    done, calls = compose(place, engines=["docker", "podman"])
    assert done.returncode == 0, done.stderr
    assert [one for one in calls if not one.startswith("docker IMAGE_TAG= info")] == [
        f"docker build --file ../docker/Dockerfile --tag fixfeed:{VERSION} ../..",
        f"docker run --rm --read-only --network=none fixfeed:{VERSION} --version",
        "docker compose version",
        "docker compose up --detach --wait --no-build",
    ]
    assert "http://127.0.0.1:8501/" in done.stdout
    made = place / "deploy" / "compose" / ".env"
    passwords = made.read_text()
    one, other = re.fullmatch(
        r"POSTGRESQL_PASSWORD=([0-9a-f]{48})\nGRAFANA_PASSWORD=([0-9a-f]{48})\n", passwords
    ).groups()
    assert one != other
    assert one not in done.stdout + done.stderr
    assert made.stat().st_mode & 0o777 == 0o600
    compose(place)
    assert made.read_text() == passwords


def test_it_takes_the_compose_that_there_is_or_says_what_to_install(place):
    done, calls = compose(place, engines=["podman"], NO_COMPOSE="1")
    assert done.returncode == 3
    assert "install docker-compose-plugin, or podman-compose" in done.stderr
    done, calls = compose(place, "down", engines=["podman", "podman-compose"], NO_COMPOSE="1")
    assert (done.returncode, calls[-1]) == (0, "podman-compose down")


def test_a_word_that_it_does_not_know_starts_nothing(place):
    done, calls = compose(place, "biuld", engines=["docker"])
    assert done.returncode == 2
    assert "'biuld' is none of build, up and down" in done.stderr
    assert not [one for one in calls if "build" in one]
    assert os.listdir(place / "deploy" / "compose").count(".env") == 0
