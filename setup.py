"""Packaging of fixfeed: the folders io/, transforms/ and pipelines/ are installed inside it."""

from pathlib import Path

from setuptools import setup

HOME = Path(__file__).parent
FOLDERS = {
    "fixfeed": "fixfeed",
    "fixfeed.io": "io",
    "fixfeed.pipelines": "pipelines",
    "fixfeed.transforms": "transforms",
}

setup(
    packages=sorted(
        ".".join((package, *file.parent.relative_to(HOME / folder).parts))
        for package, folder in FOLDERS.items()
        for file in (HOME / folder).rglob("__init__.py")
    ),
    package_dir=FOLDERS,
    package_data={
        "fixfeed": ["py.typed"],
        "fixfeed.transforms.fix.dictionary.data": ["*.json", "NOTICE"],
    },
)
