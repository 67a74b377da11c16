"""How far grading is from its limit: the computing time of the learners' own code, in plain forks of a warm process.

    own cells      the learner's cells, given to `exec`
    own calls      their functions, each time that a test calls them: inside the call, without messages
    process        the same in IPython, with messages, and outputs that are kept; without the walls of the sandbox
    examiner       the trusted side: reads and writes the notebook, runs the tests; `known` where all replies are known
    command        `nnkit autograde --memo`, whole, with sandbox: all processes together, by submission

Milliseconds of CPU time, the mean over a class of ps1 without endless loops. The limit is own cells and own calls: no
grader that runs what the learner wrote needs less. The last line of output is JSON.
"""

import argparse
import json
import os
import socket
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy: a process with threads must not be forked

from autograde import COMMANDS, make_course, run_watched
from nnkit.check.context import checking, sharing_context
from nnkit_grader.conversations.memory import ConversationMemory
from nnkit_grader.conversations.tree import ConversationTree
from nnkit_grader.course.assignment import load_assignment
from nnkit_grader.examiner.examiner import examine_submission
from nnkit_grader.intake.open_submission import open_submission
from nnkit_grader.rpc import server
from nnkit_grader.sandbox import Child, fork_server
from nnkit_grader.workers.worker import warm_up

SEED = 2026


class CountingServer(server.LearnerServer):
    """A learner's process that counts the computing time of the functions that it calls for the tests."""

    own = 0.0

    def call_watched(self, function, given, points, measured):
        def counted(*args, **kwargs):
            began = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.own += time.process_time() - began

        return super().call_watched(counted, given, points, measured)


class PlainFork(Child):
    """A learner's process without walls, forked from this one; `seconds` tells what it used, once it was killed."""

    def __init__(self, scratch):
        ours, theirs = socket.socketpair()
        self.report, self.seconds = os.pipe(), {}
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            serve(theirs, scratch, self.report[1])
        theirs.close()
        os.close(self.report[1])
        super().__init__(ours, None, 0, {})

    def kill(self):
        self.channel.close()
        with open(self.report[0]) as report:
            self.seconds = json.load(report)
        os.waitpid(self.pid, 0)


def serve(channel, scratch, report):
    """Answer the examiner's requests until it hangs up, and write the seconds that were used."""
    began = time.process_time()
    os.chdir(scratch)
    with checking(clock=server.measure_work), sharing_context():
        counting = CountingServer(channel, server._shell, scratch)
        counting.serve()
    seconds = {"own calls": counting.own, "process": time.process_time() - began}
    os.write(report, json.dumps(seconds).encode())
    os._exit(0)


def in_fork(measure):
    """Return what a function returns in a fork of this process: plain data."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with open(writing, "wb") as pipe:
                pipe.write(json.dumps(measure()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = json.loads(pipe.read())
    os.waitpid(pid, 0)
    return answer


def run_cells(submission):
    """Run a learner's cells as plain Python and return the seconds that they computed."""
    names, began = {"__name__": "__main__"}, time.process_time()
    for cell in submission.cells:
        if cell.cell_type == "code" and cell.kind != "test":
            try:
                exec(compile(cell.source, cell.id, "exec"), names)
            except Exception:
                continue
    return time.process_time() - began


def examine(assignment, folder, conversations):
    """Examine a submission; return the seconds of each part, and the conversations that it taught, as text."""
    tree = ConversationTree()
    for conversation in conversations:
        tree.add(conversation)
    memory = ConversationMemory(tree)
    with tempfile.TemporaryDirectory() as scratch:
        first = PlainFork(Path(scratch))  # before the examiner changes this process
        began = time.process_time()
        examine_submission(assignment, open_submission(folder, assignment), lambda: first, seed=SEED, memory=memory)
        examiner = time.process_time() - began
    return {**first.seconds, "examiner": examiner}, memory


def measure(assignment, folder):
    """Return the seconds of each part for one submission: with an empty memory, then with all replies known."""
    submission = open_submission(folder, assignment)

    def twice():
        seconds, memory = examine(assignment, folder, ())
        learned = memory.learned
        known = in_fork(lambda: examine(assignment, folder, learned)[0]["examiner"])
        return {**seconds, "examiner, known": known}

    return {"own cells": in_fork(lambda: run_cells(submission)), **in_fork(twice)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("-n", "--number", type=int, default=30, help="submissions (default: 30)")
    number = arguments.parse_args().number
    fork_server.warm_up(server.__name__, [])
    with tempfile.TemporaryDirectory() as scratch:
        course = Path(scratch) / "course"
        in_fork(lambda: len(make_course(course, number, False, "finite")))  # nbgrader starts a thread
        assignment = load_assignment(course, "ps1")
        warm_up(assignment)
        folders = sorted((course / "submitted").glob("*/ps1"))
        rows = [measure(assignment, folder) for folder in folders]
        watcher = run_watched(COMMANDS["nnkit"], course)[3]
    means = {part: 1000 * sum(row[part] for row in rows) / number for part in rows[0]}
    means["command"] = 1000 * sum(watcher.parts().values()) / number
    limit = means["own cells"] + means["own calls"]
    for part, milliseconds in means.items():
        print(f"{part:16} {milliseconds:7.2f} ms")
    figures = {part: round(milliseconds, 2) for part, milliseconds in means.items()}
    print(json.dumps({"benchmark": "own_code", "number": number, "milliseconds": figures, "limit": round(limit, 2),
                      "times_the_limit": round(means["command"] / limit, 1)}))  # fmt: skip


if __name__ == "__main__":
    main()
