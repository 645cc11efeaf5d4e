"""Packaging of fixfeed: dashboard/, io/, transforms/ and pipelines/ are installed inside it."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HOME = Path(__file__).parent
FOLDERS = {
    "fixfeed": "fixfeed",
    "fixfeed.dashboard": "dashboard",
    "fixfeed.io": "io",
    "fixfeed.pipelines": "pipelines",
    "fixfeed.transforms": "transforms",
}


class BuildAnew(build_py):
    """Builds without what an earlier build left, which would be packed as well."""

    def run(self):
        """Remove it first."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(
    cmdclass={"build_py": BuildAnew},
    packages=sorted(
        ".".join((package, *file.parent.relative_to(HOME / folder).parts))
        for package, folder in FOLDERS.items()
        for file in (HOME / folder).rglob("__init__.py")
    ),
    package_dir=FOLDERS,
    package_data={
        "fixfeed": ["py.typed"],
        "fixfeed.dashboard": ["*.png"],
        "fixfeed.dashboard.markup": ["*.css"],
        "fixfeed.transforms.fix.anomalies": ["default_rules.yaml"],
        "fixfeed.transforms.fix.dictionary.data": ["*.json", "NOTICE"],
    },
)
