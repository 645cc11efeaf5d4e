"""Packaging of fixfeed: the folder io/ is imported as `fixio`; Python's own `io` comes first."""

from setuptools import setup

PACKAGES = {
    "pipelines": "pipelines",
    "transforms": "transforms",
    "transforms.fix": "transforms/fix",
    "transforms.fix.dictionaries": "transforms/fix/dictionaries",
    "fixio": "io",
}

setup(
    packages=list(PACKAGES),
    package_dir=PACKAGES,
    package_data={
        "pipelines": ["py.typed"],
        "transforms": ["py.typed"],
        "transforms.fix": ["py.typed"],
        "transforms.fix.dictionaries": ["*.json", "NOTICE"],
        "fixio": ["py.typed"],
    },
)
