"""The part of the build that pyproject.toml cannot say: the lectures and assignments ship inside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

COURSE = ("notebooks", "assignments", ".jupyter/learner")


class BuildWithCourse(build_py):
    """Copies the course to `nnkit/course`; an editable installation reads it from the clone."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for folder in COURSE:
                copy = Path(self.build_lib) / "nnkit/course" / folder
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"))


setup(cmdclass={"build_py": BuildWithCourse})
