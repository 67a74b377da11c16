"""A class graded with the memory of conversations and without it: scores, verdicts, outputs and report must be equal.

    planted    each answer of `solutions/*_answers.py` once, right or wrong, among the course's own solutions
    attacks    `tests/attacks`, but for those on a machine and on limits, which need hours
    oddities   `tests/corpus/oddities*.py`, made of ps1

Whole commands, with the same seed, each in a course of its own, with sandbox and examiner. Compared byte for byte are
the results in the journal, whose seconds are set to 0, the graded notebooks, the gradebook's scores, and the report.
Where two are unequal the submission is graded twice more without the memory: one that is then unequal to itself prints
a time or an address, and shows nothing. `--share 0.1` takes a tenth of each kind (ps4 and ps5 train networks: a minute
each where the machine is busy). The last line of output is JSON.
"""

import argparse
import copy
import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "attacks"))

from every import ON_THE_TESTS
from ground import Ground
from hostile import written

from autograde import NNKIT, ROOT, run_watched
from corpus.oddities import make_oddities
from nnkit_grader.course import release
from nnkit_grader.course.assignment import load_assignment
from nnkit_grader.course.planted_answers import read_answers

ASSIGNMENTS = ("ps1", "ps2", "ps3", "ps4", "ps5")
SEED = 2026
CHECK_SECONDS = "4"
"""Time limit of a check: long enough that a busy machine shortens none that ends by itself."""
UNFIT = (ValueError, IndexError, KeyError, StopIteration)
"""Errors of an oddity that does not fit the notebook: it was made for one with three exercises."""


def hand_in(course, assignment, name, files):
    """Write a submission; `files` are its bytes by path."""
    folder = course / "submitted" / name / assignment
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def make_planted(course, assignment):
    """Yield (name, files) for each planted answer, in a notebook that is solved otherwise."""
    file = f"{assignment}.ipynb"
    released = json.loads((course / "assignments" / assignment / file).read_text(encoding="utf-8"))
    solved = {cell.grade_id: cell.source for cell in load_assignment(course, assignment).cells if cell.kind == "answer"}
    for number, answer in enumerate(read_answers(course / "solutions" / f"{assignment}_answers.py")):
        notebook, sources = copy.deepcopy(released), {**solved, answer.cell: answer.source}
        for cell in notebook["cells"]:
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
            cell["source"] = sources.get(grade_id, cell["source"])
        yield f"{answer.kind}-{number}", {file: json.dumps(notebook).encode()}


def make_course(course, share, assignments, ground):
    """Make a course folder in which the class has handed in; return the number of submissions by assignment and kind.

    Names begin with a number drawn at random, so that kinds come mixed.
    """
    rng = random.Random(SEED)
    course.mkdir()
    release.copy_course(ROOT, course)
    release.generate_assignments(course)
    counts = {}
    for assignment in assignments:
        made = {"planted": list(make_planted(course, assignment))}
        if assignment == "ps1":
            places = {**ground.places(), "NEIGHBOUR": "/nowhere"}
            odd = make_oddities(load_assignment(course, assignment), UNFIT)
            made["oddities"] = [(oddity.name, oddity.files) for oddity in odd]
            made["attacks"] = [(f"attack-{n}", attack) for n, attack in enumerate(ON_THE_TESTS)]
        for kind, submissions in made.items():
            chosen = rng.sample(submissions, round(share * len(submissions)))
            counts[f"{assignment} {kind}"] = len(chosen)
            for name, files in chosen:
                student, attack = f"{rng.randrange(10**6):06}-{name}", files
                if kind == "attacks":
                    files = {"ps1.ipynb": written(attack, places)}
                hand_in(course, assignment, student, files)
                if kind == "attacks" and attack.folder:
                    attack.folder(course / "submitted" / student / assignment, places)
    return counts


def grade(course, assignment, jobs, *options):
    """Grade a class; return the computing time, and the tests that met known replies of all."""
    command = [*NNKIT[:-1], assignment, "--seed", str(SEED), "--jobs", str(jobs), *options]
    status, output, _, watcher = run_watched(command, course, CHECK_SECONDS)
    if status:
        sys.exit(f"{' '.join(command)} ended with status {status}:\n{output}")
    clear_times(course, assignment)
    known = re.search(r"(\d+) of (\d+) tests .* did not run:", output)
    return sum(watcher.parts().values()), int(known[1]) if known else 0, int(known[2]) if known else 0


def clear_times(course, assignment):
    """Set the seconds of all results in the journal to 0: the report shows them."""
    for path in (course / ".nnkit" / assignment / "results").glob("*.json"):
        entry = json.loads(path.read_text(encoding="utf-8"))
        for timed in (entry["result"], *entry["result"]["cells"]):
            timed["seconds"] = 0.0
        path.write_text(json.dumps(entry), encoding="utf-8")


def read_result(course, assignment, student):
    """Return a submission's result, and the files of its graded notebook."""
    path = course / ".nnkit" / assignment / "results" / f"{student}.json"
    result = json.loads(path.read_text(encoding="utf-8"))["result"]
    graded = course / "autograded" / student / assignment
    files = {str(file.relative_to(graded)): file.read_bytes() for file in graded.rglob("*") if file.is_file()}
    return json.dumps(result, sort_keys=True), files


def read_report(course, assignment):
    """Return the files of the report, by name."""
    status, output, _, _ = run_watched([*NNKIT[:-2], "report", assignment], course)
    if status:
        sys.exit(f"the report on {assignment} failed:\n{output}")
    folder = course / "report" / assignment
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def find_unequal(ours, theirs, assignment):
    """Return the students whose results are unequal in two courses, and those among them with unequal scores."""
    scores = [release.read_scores(course, assignment) for course in (ours, theirs)]
    students = sorted(path.name for path in (ours / "autograded").iterdir() if (path / assignment).is_dir())
    results = [{s: read_result(course, assignment, s) for s in students} for course in (ours, theirs)]
    unequal = [s for s in students if results[0][s] != results[1][s] or scores[0].get(s) != scores[1].get(s)]
    return unequal, [student for student in unequal if scores[0].get(student) != scores[1].get(student)]


def find_unsteady(course, assignment, jobs, students):
    """Return those of these students whose results are unequal from one grading without the memory to the next."""
    unsteady = set()
    for _ in range(2 if students else 0):
        before = {student: read_result(course, assignment, student) for student in students}
        grade(course, assignment, jobs, "--regrade", *(f"--student={student}" for student in students))
        unsteady |= {student for student in students if read_result(course, assignment, student) != before[student]}
    return unsteady


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--share", type=float, default=1.0, help="part of each kind that is graded (default: all)")
    arguments.add_argument("--assignments", nargs="+", choices=ASSIGNMENTS, default=list(ASSIGNMENTS))
    arguments.add_argument("--jobs", type=int, default=2, help="submissions at a time (default: 2)")
    arguments.add_argument("--keep", type=Path, help="keep the two courses in this folder, which must be new")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch) / "courses"
        folder.mkdir()
        (folder / "ground").mkdir()
        ground = Ground(folder / "ground")
        with ground.open:
            print(json.dumps(compare(folder, args.share, args.assignments, args.jobs, ground)))


def compare(folder, share, assignments, jobs, ground):
    """Grade the class in both ways and return the figures."""
    known, alone = folder / "known", folder / "alone"
    counts = make_course(known, share, assignments, ground)
    subprocess.run(["cp", "-a", known, alone], check=True)  # with the links and pipes that attacks hand in
    found = {"benchmark": "equal_grades", "submissions": sum(counts.values()), "counts": counts, "unequal": {}}
    found |= {"cpu_seconds": {}, "hits": {}}
    for assignment in assignments:
        with_memory, hits, tests = grade(known, assignment, jobs, "--memo")
        without = grade(alone, assignment, jobs)[0]
        reports = [read_report(course, assignment) for course in (known, alone)]
        unequal, scores = find_unequal(known, alone, assignment)
        unsteady = find_unsteady(alone, assignment, jobs, unequal)
        found["unequal"][assignment] = {
            "results": [student for student in unequal if student not in unsteady],
            "scores": [student for student in scores if student not in unsteady],
            "report": reports[0] != reports[1] and not unsteady,
            "vary_without_memory_too": sorted(unsteady),
        }
        found["cpu_seconds"][assignment] = [round(with_memory, 1), round(without, 1)]
        found["hits"][assignment] = f"{hits} of {tests}"
        print(f"{assignment}: {found['unequal'][assignment]}, CPU {found['cpu_seconds'][assignment]}", flush=True)
    found["equal"] = not any(one["results"] or one["report"] for one in found["unequal"].values())
    return found


if __name__ == "__main__":
    main()
