"""`nnkit doctor`: correct on this machine, and useful on one where things are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from nnkit import doctor, language
from nnkit.doctor import MachineFinding, examine, report
from nnkit.text import measure_width

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


@pytest.mark.parametrize(
    ("environ", "families", "fix"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "", "sudo apt-get install fonts-noto-cjk"),
        ({"LANG": "ko"}, "Noto Sans CJK KR", ""),
        ({"NNKIT_LANG": "ko", "LANG": "en_US.UTF-8"}, "", "sudo apt-get install fonts-noto-cjk"),
        ({"NNKIT_LANG": "en", "LANG": "ko_KR.UTF-8"}, "", ""),
        ({"LANGUAGE": "ko:en", "LANG": "en_US.UTF-8"}, "", "sudo apt-get install fonts-noto-cjk"),
        ({"LC_ALL": "C.UTF-8", "LANG": "ko_KR.UTF-8"}, "", ""),
    ],
)
def test_a_font_for_korean_is_asked_for_by_those_who_read_korean(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environ: dict[str, str], families: str, fix: str
) -> None:
    for name in ("NNKIT_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    listing = tmp_path / "fc-list"
    listing.write_text(f"#!/bin/sh\n[ \"$1\" = :lang=ko ] && printf '%s' '{families}'\n")
    listing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    monkeypatch.setattr(language, "_choose", language._choose.__wrapped__)  # what an earlier test found does not count
    monkeypatch.setattr(doctor, "FONT_PROBE", "print(7)")  # DejaVu Sans is there, among 7 fonts
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)  # no dnf: Debian
    finding = doctor._check_fonts()
    assert (finding.ok, finding.fix) == (not fix, fix)
    assert ("한국어" in finding.detail) is bool(fix)


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
    fault = "bwrap: setting up uid map: Permission denied"
    assert finding.detail == f"{fault}; grading uses the kernel's own (Landlock and seccomp)"
    assert "sysctl" in finding.fix
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    in_a_pod = doctor._check_sandbox()
    assert (in_a_pod.ok, in_a_pod.fix) == (True, "")
    assert fault in in_a_pod.detail


@pytest.mark.parametrize(
    ("system", "probe", "ok", "fix"),
    [
        ("Darwin", "print('container')", True, ""),
        ("Darwin", "exit(1)", False, "install and start Docker or Podman, then: make sandbox-image"),
        ("Windows", "print('container')", False, "run the grader in WSL 2 (wsl --install)"),
    ],
)
def test_elsewhere_than_on_linux_grading_needs_a_container(
    monkeypatch: pytest.MonkeyPatch, system: str, probe: str, ok: bool, fix: str
) -> None:
    monkeypatch.setattr(doctor.platform, "system", lambda: system)
    monkeypatch.setattr(doctor, "SANDBOX_PROBE", probe)
    finding = doctor._check_sandbox()
    assert (finding.ok, finding.fix) == (ok, fix)


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


def test_in_korean_the_columns_stand_below_one_another() -> None:
    """A Korean letter is two columns of a terminal wide."""
    findings = [
        MachineFinding("widgets", True, "8", "", "learners"),
        MachineFinding("JAX", False, "7", "x", "TAs, tests"),
    ]
    with language.speaking("ko"):
        _, _, first, second, fix, *_, last = report(findings).splitlines()
    assert (first, second) == ("정상     위젯  8", "문제     JAX   7  (필요한 사람: 조교, 테스트)")
    assert measure_width(first.rpartition("8")[0]) == measure_width(fix.partition("해결: x")[0]) == 15
    assert last == "2개 중 1개가 정상입니다."
