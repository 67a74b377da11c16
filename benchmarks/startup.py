"""`import nnkit` against `import numpy`, each in fresh interpreters, in turns. Goal: at most 1.3 times.

The last line of output is JSON.
"""

import json
import statistics
import subprocess
import sys

ROUNDS = 15
PROGRAM = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def time_import(module: str) -> float:
    run = subprocess.run([sys.executable, "-c", PROGRAM.format(module)], capture_output=True, text=True, check=True)
    return float(run.stdout)


def main() -> None:
    modules = ("numpy", "nnkit")
    for module in modules:
        time_import(module)  # warm the file cache
    times = {module: [] for module in modules}
    for _ in range(ROUNDS):
        for module in modules:
            times[module].append(time_import(module))
    median = {module: statistics.median(times[module]) for module in modules}
    ratio = median["nnkit"] / median["numpy"]
    print(f"import numpy {median['numpy'] * 1e3:.1f} ms, import nnkit {median['nnkit'] * 1e3:.1f} ms")
    print(json.dumps({"benchmark": "startup", "ratio": round(ratio, 3), "goal": 1.3, "reached": ratio <= 1.3}))


if __name__ == "__main__":
    main()
