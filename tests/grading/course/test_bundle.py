"""The zip that learners get: what is in it, what is not, and that it works in an empty place."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

from helpers.hidden import hidden_lines, secret_lines
from helpers.links import broken_links
from helpers.paths import ROOT, TESTS
from nnkit import cli
from nnkit_grader.course import bundle, release

pytestmark = pytest.mark.slow
SOLUTIONS = sorted(ROOT.glob("solutions/*/*.ipynb"))
RUN_LECTURE = "00_start_here.ipynb"
COPIED = ("notebooks", "nnkit", "grader", "hub", "docs", "solutions", ".jupyter", "tests")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose assignments/ are fresh, whatever this repository's are, and with things that must stay out.

    Its first lecture was run: there are outputs in it.
    """
    folder = tmp_path_factory.mktemp("course")
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("corpus", "__pycache__"))
    release.release_assignments(folder)
    for litter in ("nnkit/__pycache__/cli.pyc", "notebooks/.ipynb_checkpoints/00-checkpoint.ipynb", "gradebook.db"):
        (folder / litter).parent.mkdir(exist_ok=True)
        (folder / litter).write_text("litter")
    lecture = folder / "notebooks" / RUN_LECTURE
    content = json.loads(lecture.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(execution_count=7, outputs=[{"output_type": "stream", "name": "stdout", "text": ["mine"]}])
    content["metadata"]["widgets"] = {"state": {}}
    lecture.write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out") / "course.zip"
    assert cli.main(["bundle", "--course", str(folder), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def unpacked(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("learner")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(place)
    assert [path.name for path in place.iterdir()] == [bundle.TOP_FOLDER]
    return place / bundle.TOP_FOLDER


def source(path: Path) -> str:
    """The text of a file; of a notebook, what its cells say. In a compiled catalogue, text lies among other bytes."""
    text = path.read_text(encoding="utf-8", errors="replace" if path.suffix == ".mo" else "strict")
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"]) if path.suffix == ".ipynb" else text


def files(place: Path, *folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((place / folder).rglob("*")) if path.is_file()]


def leaks(secrets: list[str], texts: list[str]) -> list[str]:
    """The secret lines that stand in one of the texts, as they are or indented otherwise."""
    shown = {line.strip() for text in texts for line in text.splitlines()}
    return [secret for secret in secrets if secret.strip() in shown]


def test_it_holds_all_that_learners_need_and_nothing_else(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir()} == {
        *(".jupyter", "LICENSE", "Makefile", "README.md", "assignments", "docs", "environment.yml", "nnkit"),
        *("notebooks", "postBuild", "pyproject.toml", "requirements.lock"),
    }
    for room, pattern in (("notebooks", "*.ipynb"), ("solutions", "*/*.ipynb")):
        made = room.replace("solutions", "assignments")
        found = {path.relative_to(unpacked / made) for path in (unpacked / made).rglob("*") if path.is_file()}
        assert found == {path.relative_to(ROOT / room) for path in (ROOT / room).glob(pattern)}
    sources = (path for path in (ROOT / "nnkit").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    rooms = {path.relative_to(ROOT / "nnkit").parts[0] for path in sources}
    assert {path.name for path in (unpacked / "nnkit").iterdir()} == rooms
    assert not [
        path for path in unpacked.rglob("*") if "__pycache__" in path.parts or ".ipynb_checkpoints" in path.parts
    ]


def test_a_lecture_that_was_run_comes_out_clean(folder: Path, unpacked: Path) -> None:
    shown, told = (json.loads((place / "notebooks" / RUN_LECTURE).read_text("utf-8")) for place in (folder, unpacked))
    code = [cell for cell in told["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all((cell["execution_count"], cell["outputs"]) == (None, []) for cell in code)
    assert "widgets" not in told["metadata"]
    for cell in shown["cells"]:
        cell.update({"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {})
    assert told["cells"] == shown["cells"]  # all else is as it was


def test_what_is_clean_stays_as_it_is() -> None:
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        stored = path.read_bytes()
        assert bundle.strip_outputs(stored) == stored, path.name


def test_its_links_stay_in_it(unpacked: Path) -> None:
    pages = [unpacked / "README.md", *files(unpacked, "docs", "notebooks", "assignments")]
    assert {path.name: found for path in pages if (found := broken_links(path, unpacked))} == {}


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_no_line_of_an_answer_is_in_its_assignment(unpacked: Path, path: Path) -> None:
    secrets = [line for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] for line in secret_lines(cell)]
    assert len(secrets) > 20  # a decorator tells no answer
    shown = source(unpacked / "assignments" / path.stem / path.name)
    assert "### BEGIN" not in shown
    assert [line for line in secrets if line in shown.splitlines() and not line.startswith("@")] == []


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_no_hidden_test_is_anywhere(unpacked: Path, path: Path) -> None:
    """Of the package, lines that test something: it has lines like `return verdict` too."""
    hidden = hidden_lines(path)
    assert len(hidden) > 10
    assert leaks(hidden, [source(file) for file in files(unpacked, "notebooks", "assignments")]) == []
    testing = [line for line in hidden if "assert" in line or "check_" in line]
    assert leaks(testing, [source(file) for file in files(unpacked, "nnkit", "docs")]) == []


def test_a_planted_leak_is_found(unpacked: Path) -> None:
    hidden = hidden_lines(SOLUTIONS[0])
    assert leaks(hidden, ["x = 1", f"    {hidden[3]}"]) == [hidden[3]]


def test_the_same_course_gives_the_same_bytes(folder: Path, packed: Path) -> None:
    for path in folder.rglob("*.ipynb"):
        os.utime(path, (1e9, 1e9))
    assert bundle.zip_files(bundle.collect_files(folder)) == packed.read_bytes()
    entries = zipfile.ZipFile(packed).infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {(entry.date_time, entry.external_attr >> 16) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 0o100644)}
    swapped = dict(reversed(bundle.Files({"a": b"1", "b": b"2"}).items()))
    assert zipfile.ZipFile(io.BytesIO(bundle.zip_files(swapped))).namelist() == ["nnkit-course/a", "nnkit-course/b"]


@pytest.mark.parametrize("fault", ["changed", "missing", "added"])
def test_stale_assignments_are_refused_in_one_sentence(
    fault: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files(folder, "assignments")}
    monkeypatch.setattr(bundle, "read_fresh_release", lambda course: fresh)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    notebook = tmp_path / "assignments" / "ps1" / "ps1.ipynb"
    if fault == "missing":
        notebook.unlink()
    else:
        (notebook if fault == "changed" else notebook.with_name("answers.txt")).write_text("mine")
    out = tmp_path / "out.zip"
    assert cli.main(["bundle", "--course", str(tmp_path), "-o", str(out)]) == 2
    told = capsys.readouterr().err
    assert told == "nnkit: assignments/ is not what solutions/ make: run `make release`, and look at what changed.\n"
    assert not out.exists()


def test_what_is_no_course_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bundle", "--course", str(tmp_path)]) == 2
    assert "is not a course folder" in capsys.readouterr().err


def test_its_makefile_has_what_learners_need(unpacked: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}

    def made(*words: str) -> str:
        return subprocess.run(
            ["make", *words], cwd=unpacked, env=environ, capture_output=True, text=True, check=True
        ).stdout

    targets = [line.split()[0] for line in made().splitlines()]
    assert targets == ["help", "lab", "doctor", "clean"]
    phony = re.search(r"^\.PHONY: (.*)$", (unpacked / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert phony[1].split() == targets
    commands = made("-n", "lab")
    (install,) = re.findall(r"pip install --quiet --disable-pip-version-check -c requirements.lock (.*)", commands)
    assert install.split() == ["-e", "'.[learn]'"]
    assert "notebooks/00_start_here.ipynb" in commands


# -- in an empty place ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def python(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A fresh Python that has the libraries of this one, but neither its nnkit nor the packages built on it."""
    place = tmp_path_factory.mktemp("venv") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    program = next(path for path in (place / "bin" / "python", place / "Scripts" / "python.exe") if path.exists())
    (packages,) = [*place.glob("lib/python*/site-packages"), *place.glob("Lib/site-packages")]
    outer = [path for path in dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib"))) if path]
    # Linked one by one, since each of the course's packages would bring its commands along.
    libraries = tmp_path_factory.mktemp("libraries")
    for path in (path for folder in outer for path in Path(folder).iterdir()):
        if "nnkit" not in path.name and path.suffix != ".pth":
            (libraries / path.name).symlink_to(path)
    (packages / "libraries.pth").write_text(str(libraries))
    done = subprocess.run([program, "-c", "import numpy, nbclient, nnkit"], cwd=place, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'nnkit'"
    return [str(program)]


def learner(python: list[str], unpacked: Path, *words: str, cwd: str = ".") -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(unpacked), "IPYTHONDIR": str(unpacked.parent / "ipython")}
    return subprocess.run([*python, *words], cwd=unpacked / cwd, env=environ, capture_output=True, text=True)


RUN = """
import sys, nbformat
sys.path.append(sys.argv[2])
from helpers.kernels import Client
notebook = nbformat.read(sys.argv[1], as_version=4)
notebook.cells.append(nbformat.v4.new_code_cell("import nnkit; print(nnkit.__file__)"))
Client(notebook, timeout=120, kernel_name="python3", shutdown_kernel="immediate").execute()
print(notebook.cells[-1].outputs[0].text)
"""


def test_the_first_lecture_runs(python: list[str], unpacked: Path) -> None:
    done = learner(python, unpacked, "-c", RUN, "00_start_here.ipynb", str(TESTS), cwd="notebooks")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(unpacked / "nnkit" / "__init__.py")


def test_an_assignment_can_be_checked(python: list[str], unpacked: Path, tmp_path: Path) -> None:
    check = ("-m", "nnkit.cli", "check")
    done = learner(python, unpacked, *check, "assignments/ps1/ps1.ipynb")
    assert (done.returncode, done.stderr) == (1, "")
    assert "not attempted yet" in done.stdout
    shutil.copy(ROOT / "solutions" / "ps1" / "ps1.ipynb", tmp_path / "ps1.ipynb")
    done = learner(python, unpacked, *check, str(tmp_path / "ps1.ipynb"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        ("release", "`nnkit release` is for teachers: it comes with nnkit-grader, which is not part of this copy."),
        ("autograde", "`nnkit autograde` is for teachers: it comes with nnkit-grader, which is not part of this copy."),
        ("hub", "`nnkit hub` is for teachers: it comes with nnkit-hub, which is not part of this copy."),
        ("receipt", "`nnkit receipt` comes with nnkit-hub, which is not part of this copy: run it on the hub."),
    ],
)
def test_commands_of_teachers_say_where_they_are(python: list[str], unpacked: Path, verb: str, sentence: str) -> None:
    done = learner(python, unpacked, "-m", "nnkit.cli", verb)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"nnkit: {sentence}\n")


def test_the_environment_for_conda_has_no_grader(unpacked: Path) -> None:
    told = (unpacked / "environment.yml").read_text(encoding="utf-8")
    assert not re.search(r"\bgraders?\b", told)  # nbgrader stays: learners have its Validate button
    assert "msgpack" not in told
    assert yaml.safe_load(told)["dependencies"][-1] == {"pip": ["-e ."]}
