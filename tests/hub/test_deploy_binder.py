"""Binder: its build files, and what it does with `postBuild`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from helpers.paths import ROOT

pytestmark = pytest.mark.slow

PRINT = "import json; from jupyterlab_server.config import get_page_config as f; print(json.dumps(f([], [])))"


def page(config: Path) -> dict[str, list[str]]:
    """Return the page configuration that JupyterLab would use with the settings in this folder."""
    kept = {**os.environ, "JUPYTER_CONFIG_PATH": str(config), "JUPYTER_CONFIG_DIR": str(config / "none")}
    done = subprocess.run(
        [sys.executable, "-c", PRINT], env=kept, capture_output=True, text=True, timeout=180, check=True
    )
    return json.loads(done.stdout)


def test_lab_on_binder_is_a_learners(tmp_path: Path) -> None:
    assert "@jupyter/nbgrader:formgrader" not in page(tmp_path / "etc" / "jupyter").get("disabledExtensions", [])
    subprocess.run([ROOT / "postBuild"], env={**os.environ, "NB_PYTHON_PREFIX": str(tmp_path)}, check=True, timeout=180)
    disabled = page(tmp_path / "etc" / "jupyter")["disabledExtensions"]
    assert {"@jupyter/nbgrader:formgrader", "@jupyter/nbgrader:create-assignment"} <= set(disabled)


def test_post_build_says_what_is_missing() -> None:
    kept = {name: value for name, value in os.environ.items() if name != "NB_PYTHON_PREFIX"}
    done = subprocess.run([ROOT / "postBuild"], env=kept, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode != 0
    assert "is set by Binder" in done.stderr


def test_binder_builds_from_environment_yml() -> None:
    """Binder would use any of these in place of it, or beside it; it passes over setup.py."""
    others = ("Dockerfile", "binder", ".binder", "requirements.txt", "apt.txt", "runtime.txt", "Pipfile")
    assert [name for name in others if (ROOT / name).exists()] == []
    assert os.access(ROOT / "postBuild", os.X_OK)


@pytest.mark.parametrize("kind", ["mybinder.org/v2", "git-pull"])
def test_the_guides_links_lead_to_the_first_lecture(kind: str) -> None:
    text = (ROOT / "docs/admin.md").read_text(encoding="utf-8")
    (link,) = (word.rstrip(")") for word in text.split() if kind in word)
    asked = parse_qs(urlsplit(link).query)
    path = asked.get("labpath") or [asked["urlpath"][0].removeprefix("lab/tree/nnkit-course/")]
    assert (ROOT / path[0]).is_file()
