"""`nnkit doctor`: checks of what nnkit needs on this machine, each with a command that fixes it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from nnkit.language import current_language, say, to_say
from nnkit.plugins import find_install_command, load_plugins
from nnkit.text import measure_width, pad

MAX_ANSWER_SECONDS = 60.0
"""Longest time that a program may take to answer."""

OLDEST_PYTHON = (3, 11)

OK, MISSING = to_say("ok"), to_say("missing")
WORDS = (
    *(to_say("widgets"), to_say("commands"), to_say("browser"), to_say("sandbox"), to_say("fonts")),
    *(to_say("learners"), to_say("TAs"), to_say("admins"), to_say("tests")),
)
"""Names of what is checked, apart from proper names, and of those who need it."""
MARK_WIDTH = 9
"""Width of the first column, in columns of a terminal."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "firefox")
MAC_BROWSERS = ("Chromium", "Google Chrome", "Firefox")

JAX_PROBE = """
import jax
device = jax.devices()[0]
print(jax.__version__, device.platform, device.device_kind, sep="|")
"""

FONTS = {"ko": (to_say("Korean"), "fonts-noto-cjk")}
"""Language → its name, and Debian's package of a font that has its letters."""
DNF_NAMES = {"fonts-dejavu-core": "dejavu-sans-fonts", "fonts-noto-cjk": "google-noto-sans-cjk-fonts"}
"""Debian's name of a package → Fedora's."""

SANDBOX_PROBE = "from nnkit_grader.sandbox.detect import choose_sandbox; print(choose_sandbox(preload=()).kind)"
"""Program that prints the sandbox which grading would use; it fails if there is none, or no grader is installed."""
FONT_PROBE = """
from matplotlib import font_manager
font_manager.findfont("DejaVu Sans", fallback_to_default=False)
print(len(font_manager.findSystemFonts()))
"""


@dataclass(frozen=True)
class MachineFinding:
    """Result of one check of this machine."""

    name: str
    ok: bool
    detail: str
    """Version, place or error, in a few words."""
    fix: str
    """Command that fixes it; empty if it works."""
    needed_for: str
    """Users that need it: "learners", "TAs", "admins", "tests", or several."""


def examine() -> list[MachineFinding]:
    """Run all checks, in parallel, and return their findings."""
    checks: tuple[Callable[[], MachineFinding], ...] = (
        _check_python,
        lambda: _check_package("NumPy", "numpy", "learners, TAs"),
        _check_jax,
        lambda: _check_package("JupyterLab", "jupyterlab", "learners, TAs"),
        _check_widgets,
        lambda: _check_package("nbgrader", "nbgrader", "TAs"),
        _check_commands,
        _check_browser,
        _check_sandbox,
        _check_fonts,
    )
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(lambda check: check(), checks))


def report(findings: list[MachineFinding]) -> str:
    """Format findings as one screen of text: a line for each, and a second line with the fix if there is one."""
    width = max((measure_width(say(finding.name)) for finding in findings), default=0)
    lines = [f"nnkit doctor: {platform.system()}, {platform.machine()}", ""]
    for finding in findings:
        mark, name = (pad(say(OK if finding.ok else MISSING), MARK_WIDTH), pad(say(finding.name), width))
        lines.append(f"{mark}{name}  {finding.detail}{'' if finding.ok else f'  {_describe_need(finding)}'}")
        if finding.fix:
            lines.append(" " * (MARK_WIDTH + width) + "  " + say("fix: {command}", command=finding.fix))
    working = sum(finding.ok for finding in findings)
    lines += ["", say("{working} of {number} work.", working=working, number=len(findings))]
    return "\n".join(lines)


def _describe_need(finding: MachineFinding) -> str:
    users = ", ".join(say(user) for user in finding.needed_for.split(", "))
    return say("(needed for {users})", users=users)


def _check_python() -> MachineFinding:
    version, oldest = platform.python_version(), ".".join(map(str, OLDEST_PYTHON))
    if sys.version_info >= OLDEST_PYTHON:
        return MachineFinding("Python", True, version, "", "learners, TAs, admins")
    fix = f"make clean lab PYTHON=python{oldest}"
    return MachineFinding(
        "Python",
        False,
        say("{version} is older than {oldest}", version=version, oldest=oldest),
        fix,
        "learners, TAs, admins",
    )


def _check_package(name: str, package: str, needed_for: str) -> MachineFinding:
    """Check that a package is installed, in a version that nnkit works with."""
    wanted = _get_requirement(package)
    fix = f"python -m pip install '{wanted}'"
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return MachineFinding(name, False, say("not installed"), fix, needed_for)
    if not _fits_requirement(version, wanted):
        return MachineFinding(
            name, False, say("{version}, but nnkit needs {wanted}", version=version, wanted=wanted), fix, needed_for
        )
    return MachineFinding(name, True, version, "", needed_for)


def _get_requirement(package: str) -> str:
    """Return nnkit's requirement on this package ("jax>=0.8"), or its name."""
    try:
        declared = metadata.requires("nnkit") or []
    except metadata.PackageNotFoundError:  # run from a folder, not installed
        declared = []
    bare = (text.split(";")[0].strip() for text in declared)
    return next((text for text in bare if text.startswith(package) and text[len(package) :][:1] in "><=~!"), package)


def _fits_requirement(version: str, requirement: str) -> bool:
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:  # it comes with JupyterLab; without it, any version counts
        return True
    return Requirement(requirement).specifier.contains(version, prereleases=True)


def _check_jax() -> MachineFinding:
    installed = _check_package("JAX", "jax", "learners")
    if not installed.ok:
        return installed
    # In a separate process, since starting a device's driver can hang or crash.
    answer, fault = _run_program([sys.executable, "-c", JAX_PROBE])
    if fault:
        advice = say("(if this works, the GPU's driver is at fault)")
        fix = f"JAX_PLATFORMS=cpu nnkit doctor   {advice}"
        return MachineFinding("JAX", False, say("does not start: {fault}", fault=fault), fix, "learners")
    version, device, kind = answer.split("|")
    detail = say("{version} on {device}", version=version, device=device) + ("" if kind == device else f" ({kind})")
    if device == "cpu" and shutil.which("nvidia-smi"):
        detail = say("{detail}; to use the GPU: python -m pip install -e '.[gpu]'", detail=detail)
    return MachineFinding("JAX", True, detail, "", "learners")


def _check_widgets() -> MachineFinding:
    """Check both halves of ipywidgets: the Python package, and JupyterLab's extension that draws the widgets."""
    installed = _check_package("widgets", "ipywidgets", "learners")
    if not installed.ok:
        return installed
    fix = "python -m pip install --force-reinstall jupyterlab_widgets"
    try:
        from jupyter_core.paths import jupyter_path
    except ModuleNotFoundError:
        return MachineFinding(
            "widgets", False, say("ipywidgets {version}, but no Jupyter", version=installed.detail), fix, "learners"
        )
    folders = jupyter_path("labextensions", "@jupyter-widgets", "jupyterlab-manager")
    if not any((Path(folder) / "package.json").exists() for folder in folders):
        return MachineFinding(
            "widgets", False, say("JupyterLab's extension for ipywidgets is missing"), fix, "learners"
        )
    return MachineFinding(
        "widgets",
        True,
        say("ipywidgets {version}, with JupyterLab's extension", version=installed.detail),
        "",
        "learners",
    )


def _check_commands() -> MachineFinding:
    """Check that every package that adds commands to `nnkit` can be imported."""
    functions, errors = load_plugins()
    if not errors:
        return MachineFinding(
            "commands", True, say("of {packages}", packages=", ".join(["nnkit", *functions])), "", "TAs, admins"
        )
    detail = "; ".join(
        say("{distribution} has an error: {error}", distribution=distribution, error=error)
        for distribution, error in errors.items()
    )
    fix = " && ".join(f"python -m {find_install_command(distribution)}" for distribution in errors)
    return MachineFinding("commands", False, detail, fix, "TAs, admins")


def _check_browser() -> MachineFinding:
    found = next(filter(None, map(shutil.which, BROWSERS)), None) or _find_mac_browser()
    if found:
        return MachineFinding("browser", True, found, "", "learners, tests")
    fix = _get_install_command(apt="chromium", brew="--cask chromium")
    return MachineFinding("browser", False, say("no Chromium, Chrome or Firefox"), fix, "learners, tests")


def _find_mac_browser() -> str | None:
    apps = (Path(f"/Applications/{name}.app") for name in MAC_BROWSERS)
    return next((str(app) for app in apps if app.exists()), None)


def _check_sandbox() -> MachineFinding:
    """Check that bubblewrap is installed and may create namespaces, by running it; if not, name what grading uses."""
    if platform.system() != "Linux":
        return _check_container()
    bwrap = shutil.which("bwrap")
    if bwrap:
        fix, (_, fault) = (
            _get_namespace_command(),
            _run_program([bwrap, "--ro-bind", "/", "/", "--unshare-all", "true"]),
        )
    else:
        fix, fault = _get_install_command(apt="bubblewrap"), say("no bubblewrap")
    if not fault:
        return MachineFinding(
            "sandbox", True, say("grading uses bubblewrap, without network"), "", "TAs, admins, tests"
        )
    kind, missing = _run_program([sys.executable, "-c", SANDBOX_PROBE])
    if kind == "kernel" and "KUBERNETES_SERVICE_HOST" in os.environ:
        detail = say(
            "grading uses the kernel's own (Landlock and seccomp), as it should in a pod: {fault}", fault=fault
        )
        return MachineFinding("sandbox", True, detail, "", "TAs, admins, tests")
    if "ModuleNotFoundError" not in missing:  # on a machine with the grader
        used = (
            say("the kernel's own (Landlock and seccomp)")
            if kind == "kernel"
            else say("none, and refuses to run submissions")
        )
        fault = say("{fault}; grading uses {used}", fault=fault, used=used)
    return MachineFinding("sandbox", False, fault, fix, "TAs, admins, tests")


def _check_container() -> MachineFinding:
    """Check that the grader can use Docker or Podman, on a system where nothing else keeps submissions apart."""
    if platform.system() == "Windows":
        fix = say("run the grader in WSL 2 (wsl --install)")
        return MachineFinding("sandbox", False, say("grading needs Linux or macOS"), fix, "TAs, admins")
    kind, fault = _run_program([sys.executable, "-c", SANDBOX_PROBE])
    if kind == "container":
        return MachineFinding("sandbox", True, say("grading uses a container, without network"), "", "TAs, admins")
    detail = say("no nnkit-grader") if "ModuleNotFoundError" in fault else say("no container that works")
    fix = say("install and start Docker or Podman, then: make sandbox-image")
    return MachineFinding("sandbox", False, detail, fix, "TAs, admins")


def _get_namespace_command() -> str:
    """Return the command that lets users create namespaces: AppArmor's switch (Ubuntu 24.04 on), or the kernel's."""
    switch = "kernel.apparmor_restrict_unprivileged_userns"
    if Path("/proc/sys", switch.replace(".", "/")).exists():
        return f"sudo sysctl -w {switch}=0"
    advice = say("(in a container: allow it to create namespaces)")
    return f"sudo sysctl -w user.max_user_namespaces=15000   {advice}"


def _check_fonts() -> MachineFinding:
    answer, fault = _run_program([sys.executable, "-c", FONT_PROBE])
    if fault:
        fix = f"python -m pip install --force-reinstall '{_get_requirement('matplotlib')}'"
        return MachineFinding(
            "fonts", False, say("matplotlib does not find DejaVu Sans: {fault}", fault=fault), fix, "learners"
        )
    if answer == "0":
        fix = _get_install_command(apt="fonts-dejavu-core", brew="--cask font-dejavu")
        return MachineFinding("fonts", False, say("none for the browser"), fix, "learners, tests")
    language = current_language()
    if language in FONTS and platform.system() == "Linux":
        name, package = FONTS[language]
        families, fault = _run_program(["fc-list", f":lang={language}", "family"])
        if fault or not families:
            return MachineFinding(
                "fonts", False, say("none for {name}", name=say(name)), _get_install_command(apt=package), "learners"
            )
    return MachineFinding(
        "fonts", True, say("DejaVu Sans for plots, {number} for the browser", number=answer), "", "learners"
    )


def _get_install_command(apt: str, brew: str = "") -> str:
    """Return the install command of this system's package manager."""
    if brew and platform.system() == "Darwin":
        return f"brew install {brew}"
    if shutil.which("dnf") and not shutil.which("apt-get"):
        return f"sudo dnf install {DNF_NAMES.get(apt, apt)}"
    return f"sudo apt-get install {apt}"


def _run_program(command: list[str], timeout: float | None = None) -> tuple[str, str]:
    """Run a program; return (the last line of its output, "") or ("", the error in one line)."""
    limit = MAX_ANSWER_SECONDS if timeout is None else timeout
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return "", say("no answer in {seconds:g} s", seconds=limit)
    except OSError as fault:
        return "", fault.strerror or type(fault).__name__
    if done.returncode:
        return "", _get_last_line(done.stderr) or say("exit status {status}", status=done.returncode)
    return _get_last_line(done.stdout), ""


def _get_last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:100] if lines else ""
