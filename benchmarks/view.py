"""The explorers in a real Chromium and JupyterLab: from interaction to paint, and the playground's frames.

A graph of 12 gates: a step (drawn by the page alone) and a slider (asked of the kernel, and drawn). Counted from the
key's event to the first frame after the one that shows the new numbers. Goal: medians under 50 ms.

The playground trains 2-16-16-3 on the spiral. Goal: 30 frames a second. Beside them what a frame sends, the processor
time that it costs, how long a click and a cell of the learner's wait meanwhile, and what the memory of the kernel, the
server and the page does over `--minutes` (2 unless told), or an `--hour`. The last line of output is JSON.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from browsers import chromium, jupyter_lab, open_notebook, run_all_cells, wait_until_quiet

TIMES = 60
GOAL = 50.0
FRAMES = 30.0
SMALL = 4000
"""Bytes of a message that holds no frame, at most."""

GROWTH = 0.05
"""So much may a memory grow from the third quarter of the run to the last, when caches are full: noise, not a leak."""

GRAPH = """
from nnkit import Graph
from nnkit.gates import Exp, Tanh
from nnkit.view.explorers.api import graph_explorer

graph = Graph()
w0, x0, w1, x1, b = graph.inputs(w0=2.0, x0=-1.0, w1=-3.0, x1=-2.0, b=-3.0)
dot = w0 * x0 + w1 * x1 + b
f = 1 / (1 + Exp()(-dot))
(Tanh()(f) * f + dot) * b
graph_explorer(graph)
"""
PLAYGROUND = """
from nnkit.view import playground
playground("spiral")
"""
MEASURE = """
([key, shown]) => new Promise((resolve) => {
  const explorer = document.querySelector(".nnx-explorer");
  const place = explorer.querySelector(shown);
  const before = place.textContent;
  let begun = 0;
  const seen = new MutationObserver(() => {
    if (place.textContent === before) return;
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begun)));
  });
  seen.observe(explorer, {subtree: true, childList: true, characterData: true});
  const target = document.activeElement;
  begun = performance.now();
  if (target.type === "range") {
    target.value = Number(target.value) + Number(target.step) * (Number(target.value) > 3 ? -40 : 1);
    target.dispatchEvent(new Event("input", {bubbles: true}));
  } else target.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
})
"""
# Each frame changes the count of updates.
WATCH = """
(ms) => new Promise((resolve) => {
  const times = [];
  const seen = new MutationObserver(() => times.push(performance.now()));
  seen.observe(document.querySelector(".nnx-count"), {subtree: true, childList: true, characterData: true});
  const clicks = [];
  const click = setInterval(() => {
    const begun = performance.now();
    setTimeout(() => clicks.push(performance.now() - begun));
  }, 50);
  setTimeout(() => {
    seen.disconnect();
    clearInterval(click);
    resolve({times, clicks});
  }, ms);
})
"""


def measured(page, focus, key, shown):
    """Milliseconds, one for each time; what comes first (compiling, caches) is not counted."""
    page.locator(focus).first.focus()
    found = []
    for i in range(TIMES + 5):
        found.append(page.evaluate(MEASURE, [key[i // 8 % 2], shown]))
        page.wait_for_timeout(20)
    return found[5:]


def interactions(page) -> dict:
    gates = page.locator(".nnx-gate").count()
    step = measured(page, ".nnx-stage", ("ArrowRight", "ArrowLeft"), ".nnx-count")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    slider = measured(page, ".nnx-slider input[type=range]", ("", ""), ".nnx-graph")
    told = {"gates": gates}
    for name, times in (("step", step), ("slider", slider)):
        print(f"{name}: median {statistics.median(times):.1f} ms, 95th percentile {late(times):.1f} ms, {TIMES} times")
        told |= {f"{name}_ms": round(statistics.median(times), 1), f"{name}_p95_ms": round(late(times), 1)}
    return told


def late(times) -> float:
    return statistics.quantiles(times, n=20)[-1]


# -- the playground ----------------------------------------------------------------------------------


def playing(page, minutes: float) -> dict:
    explorer = page.locator(".nnx-explorer")
    explorer.scroll_into_view_if_needed()
    explorer.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_timeout(2000)
    told = frames(page) | {"bytes_a_frame": sent(page)}
    print(f"playground: {told}")
    return told | memory(page, minutes)


def frames(page, seconds: float = 10.0) -> dict:
    before = processor()
    seen = page.evaluate(WATCH, 1000 * seconds)
    spent = {who: round(1000 * (now - before[who]) / len(seen["times"]), 1) for who, now in processor().items()}
    gaps = [b - a for a, b in zip(seen["times"], seen["times"][1:])]
    return {
        "fps": round(len(seen["times"]) / seconds, 1),
        "gap_p95_ms": round(late(gaps), 1),
        "page_waits_p95_ms": round(late(seen["clicks"]), 1),
        "processor_ms_a_frame": spent,
    }


def sent(page, seconds: float = 3.0) -> int:
    """Bytes that come through the websocket, all messages counted, for each frame."""
    session, sizes = page.context.new_cdp_session(page), []
    session.send("Network.enable")
    session.on("Network.webSocketFrameReceived", lambda told: sizes.append(_length(told["response"])))
    page.wait_for_timeout(1000 * seconds)
    session.detach()
    return round(sum(sizes) / sum(size > SMALL for size in sizes))


def _length(response) -> int:
    text = response["payloadData"]
    return len(text) * 3 // 4 if response["opcode"] == 2 else len(text)  # binary messages are told in base64


def memory(page, minutes: float) -> dict:
    """Megabytes, once in a sixtieth of the time; each is the page's after it has been cleaned up."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    rows, begun = [], time.monotonic()
    while True:
        session.send("HeapProfiler.collectGarbage")
        page_has = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        row = {name: round(p.memory_info().rss / 1e6, 1) for name, p in processes().items() if name != "browser"}
        rows.append(row | {"heap": round(page_has["JSHeapUsedSize"] / 1e6, 2), "nodes": page_has["Nodes"]})
        passed = time.monotonic() - begun
        print(f"{passed / 60:5.1f} min: {rows[-1]}, {page.locator('.nnx-count').first.inner_text()}", flush=True)
        if passed >= 60 * minutes:
            break
        page.wait_for_timeout(max(1000, min(60_000, 1000 * minutes)))
    quarter = max(1, len(rows) // 4)
    grown = {}
    for name in rows[0]:
        before, last = (
            statistics.median(row[name] for row in part)
            for part in (rows[-2 * quarter : -quarter] or rows, rows[-quarter:])
        )
        grown[name] = round(last / before - 1, 3)
    return {"minutes": minutes, "grown": grown, "first": rows[0], "last": rows[-1]}


def processes() -> dict:
    """The kernel, the server and the page's own process; the rest of the browser as one of its processes."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        command = " ".join(process.cmdline())
        who = "kernel" if "ipykernel" in command else "server" if "jupyter" in command else None
        if "--type=renderer" in command:
            who = "renderer"
            if who in found and found[who].memory_info().rss > process.memory_info().rss:
                continue
        if who:
            found[who] = process
    return found


def processor() -> dict:
    """Seconds of processor time so far."""
    return {name: sum(process.cpu_times()[:2]) for name, process in processes().items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=2.0, help="of training, for its memory")
    options.add_argument("--hour", action="store_const", dest="minutes", const=60.0)
    options.add_argument("--only", choices=("graph", "playground"))
    asked = options.parse_args()
    told = {"benchmark": "view", "goal": GOAL, "frames_goal": FRAMES}
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, jupyter_lab(Path(folder)) as lab:
        for name, source in (("graph", GRAPH), ("playground", PLAYGROUND)):
            if asked.only in (None, name):
                page = opened(browser, lab, Path(folder) / f"{name}.ipynb", source)
                told |= interactions(page) if name == "graph" else playing(page, asked.minutes)
                page.close()
    reached = [told[key] < GOAL for key in ("step_ms", "slider_ms") if key in told]
    if "fps" in told:
        reached += [told["fps"] >= FRAMES, max(told["grown"].values()) < GROWTH]
    print(json.dumps({**told, "reached": all(reached)}))


def opened(browser, lab, path: Path, source: str):
    cell = nbformat.v4.new_code_cell(source.strip())
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), path)
    page = browser.new_page(viewport={"width": 1250, "height": 1200})
    open_notebook(page, lab, path.name)
    run_all_cells(page, page.locator(".nnx-explorer"))
    wait_until_quiet(page)
    return page


if __name__ == "__main__":
    main()
