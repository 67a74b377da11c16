"""`nnkit doctor`: correct on this machine, and useful on one where things are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from nnkit import doctor
from nnkit.doctor import MachineFinding, examine, report

NAMES = ["Python", "NumPy", "JAX", "JupyterLab", "widgets", "nbgrader", "commands", "browser", "sandbox", "fonts"]


def by_name(findings: list[MachineFinding]) -> dict[str, MachineFinding]:
    return {finding.name: finding for finding in findings}


@pytest.fixture(scope="module")
def here() -> list[MachineFinding]:
    return examine()


def test_this_machine_is_described_as_it_is(here: list[MachineFinding]) -> None:
    found = by_name(here)
    assert list(found) == NAMES
    for name in ("Python", "NumPy", "JAX", "JupyterLab", "widgets", "nbgrader"):  # the tests' own set-up has these
        assert found[name].ok, found[name]
    assert found["NumPy"].detail == np.__version__
    assert " on " in found["JAX"].detail
    assert found["commands"].detail == "of nnkit, nnkit-grader, nnkit-hub"


def test_what_is_missing_has_a_command_and_what_works_has_none(here: list[MachineFinding]) -> None:
    for finding in here:
        assert bool(finding.fix) is not finding.ok
        assert finding.detail
        assert set(finding.needed_for.split(", ")) <= {"learners", "TAs", "admins", "tests"}


def test_the_report_fits_one_screen_and_says_ok_in_words(here: list[MachineFinding]) -> None:
    lines = report(here).splitlines()
    assert len(lines) <= 24
    for finding in here:
        line = next(line for line in lines if line[9:].startswith(finding.name))
        assert line.startswith("ok" if finding.ok else "missing")
    assert "\x1b" not in report(here)


def test_with_nothing_on_the_path_browser_and_sandbox_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    monkeypatch.setattr(doctor, "_find_mac_browser", lambda: None)
    for check, package in ((doctor._check_browser, "chromium"), (doctor._check_sandbox, "bubblewrap")):
        finding = check()
        assert not finding.ok
        assert finding.fix == f"sudo apt-get install {package}"
        text = report([finding])
        assert f"missing  {finding.name}" in text
        assert f"fix: {finding.fix}" in text


def test_a_sandbox_that_is_installed_but_forbidden_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    finding = doctor._check_sandbox()
    assert not finding.ok
    assert finding.detail == "bwrap: setting up uid map: Permission denied"
    assert "sysctl" in finding.fix


def test_a_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))
    finding = doctor._check_python()
    assert not finding.ok
    assert finding.detail.endswith("is older than 99.0")


def test_a_device_that_hangs_does_not_hang_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MAX_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(doctor, "JAX_PROBE", "import time; time.sleep(60)")
    finding = doctor._check_jax()
    assert not finding.ok
    assert "no answer in 0.5 s" in finding.detail


def test_a_package_that_is_absent_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = doctor._check_package("absent", "nnkit-has-no-such-package", "learners")
    assert (absent.ok, absent.detail) == (False, "not installed")
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "3.0")
    old = doctor._check_package("JupyterLab", "jupyterlab", "learners")
    assert not old.ok
    assert "3.0, but nnkit needs jupyterlab>=" in old.detail
    assert old.fix.startswith("python -m pip install 'jupyterlab>=")


def test_a_program_that_fails_or_is_not_there_gives_one_line() -> None:
    assert doctor._run_program([sys.executable, "-c", "raise SystemExit('a\\nb')"]) == ("", "b")
    assert doctor._run_program([sys.executable, "-c", "raise SystemExit(3)"]) == ("", "exit status 3")
    assert doctor._run_program(["/no/such/program"])[1] == "No such file or directory"
