"""The exchange under the load that one learner can make: what a classmate notices of it.

A real exchange on the loopback interface; the hub behind it is a stand-in that knows each token at once. Goal: the time
on a classmate's receipt is at most `MAX_LATE_SECONDS` after they began, whatever another learner does; no limit on
submissions or disk is passed; connections that send nothing are closed. The last line of output is JSON.
"""

import argparse
import contextlib
import hashlib
import json
import os
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import requests

from nnkit_hub.exchange import archive, shares, store
from nnkit_hub.exchange.service import MAX_REQUEST_BYTES
from nnkit_hub.roles import EXCHANGE_SERVICE, get_grader_group, get_learner_group

COURSE, WORK = "course", "hw"
LEARNERS = [get_learner_group(COURSE)]
USERS = {"teacher": [get_grader_group(COURSE)], "rude": LEARNERS, "classmate": LEARNERS}
MAX_LATE_SECONDS = 5.0
BAD_PARCELS, IDLE_CONNECTIONS, LARGE_BODIES, AT_ONCE = 24, 1100, 12, 260
ODD_LENGTHS = ("-1", "+5", "1e3", "0x10", "5, 5", "５", "9" * 30, "abc", "1.0", "")


class HubStandIn(BaseHTTPRequestHandler):
    """The hub's answer to the question whose a token is: the token is the user's name."""

    def do_GET(self):
        name = self.headers.get("Authorization", "").partition(" ")[2]
        scopes = [f"access:services!service={EXCHANGE_SERVICE}"]
        known = {"kind": "user", "name": name, "groups": USERS.get(name, []), "scopes": scopes, "admin": False}
        body = json.dumps(known if name in USERS else {"message": "unknown"}).encode()
        self.send_response(200 if name in USERS else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Exchange:
    """A running exchange in a folder."""

    def __init__(self, folder):
        self.folder = folder / "exchange"
        self.hub = ThreadingHTTPServer(("127.0.0.1", 0), HubStandIn)
        threading.Thread(target=self.hub.serve_forever, daemon=True).start()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/services/exchange/"
        given = {
            "JUPYTERHUB_API_URL": f"http://127.0.0.1:{self.hub.server_port}/hub/api",
            "JUPYTERHUB_API_TOKEN": "service",
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{self.port}",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/exchange/",
        }
        command = [sys.executable, "-m", "nnkit_hub.exchange", "--folder", str(self.folder)]
        self.process = subprocess.Popen(command, env={**os.environ, **given}, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with contextlib.suppress(requests.RequestException):
                requests.get(f"{self.address}key", timeout=2).raise_for_status()
                return
            time.sleep(0.1)
        raise TimeoutError("the exchange does not answer")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.hub.shutdown()

    def send(self, user, body, method="POST", kind="submissions"):
        """Send an archive; return the status, the answer, and the seconds that it took."""
        began = time.monotonic()
        headers = {"Authorization": f"token {user}"}
        address = f"{self.address}courses/{COURSE}/{kind}/{WORK}"
        answer = requests.request(method, address, data=body, headers=headers, timeout=300)
        return answer.status_code, answer.json(), time.monotonic() - began

    def hand_in(self):
        """Hand in as the classmate; return the seconds until the answer, and until the time in the receipt."""
        began = datetime.now(UTC)
        status, receipt, seconds = self.send("classmate", pack({"hw.ipynb": os.urandom(20_000)}))
        if status != 200:
            return {"status": status}
        at = datetime.strptime(receipt["time"], store.TIME_FORMAT).replace(tzinfo=UTC)
        return {"seconds": round(seconds, 2), "late": round((at - began).total_seconds(), 2)}

    def insist(self, user, body):
        """Send an archive again and again while the exchange says that the user has too much under way."""
        while (status := self.send(user, body)[0]) == 429:
            time.sleep(0.05)
        return status

    def connect(self, head=b""):
        """Open a connection, and send the beginning of a request."""
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        opened.sendall(head)
        return opened

    def begin_upload(self, user, length):
        """Return a connection on which the header of an upload was sent."""
        line = f"POST /services/exchange/courses/{COURSE}/submissions/{WORK} HTTP/1.1\r\nHost: x\r\n"
        return self.connect(f"{line}Authorization: token {user}\r\nContent-Length: {length}\r\n\r\n".encode())

    def count_spooled(self):
        """Return the bytes of uploads that lie on disk, unlinked files included."""
        size = 0
        for handle in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(self.folder / "new") in os.readlink(handle):
                    size += handle.stat().st_size
        return size

    def read_memory(self):
        return psutil.Process(self.process.pid).memory_info().rss


def pack(files, spoil=False):
    """Return an archive; a spoilt one has a wrong hash for its last file, and is refused when all are on disk."""
    entries = {name: {"bytes": len(content)} for name, content in files.items()}
    if spoil:
        entries[list(files)[-1]]["sha256"] = hashlib.sha256(b"other").hexdigest()
    return archive.encode_header({"files": entries}) + b"".join(files.values())


def read_status(opened):
    """Return the status of an answer on a connection; 0 if it was closed without one."""
    with contextlib.suppress(OSError):
        words = opened.recv(4096).split(b" ", 2)
        return int(words[1]) if len(words) > 1 else 0
    return 0


def wait_for_end(opened, drip=b""):
    """Return the seconds until the other side closes a connection, on which one byte of `drip` is sent each second."""
    began = time.monotonic()
    opened.settimeout(1)
    for byte in range(120):
        try:
            if not opened.recv(4096):
                break
        except TimeoutError:
            with contextlib.suppress(OSError):
                opened.sendall(drip[byte : byte + 1])
        except OSError:
            break
    return round(time.monotonic() - began, 1)


def try_bad_parcels(exchange):
    """Send parcels of 1000 files, the last of them damaged, while a classmate hands in."""
    bodies = [pack({f"{k}.txt": b"x" for k in range(archive.MAX_ARCHIVE_FILES)}, spoil=True)] * BAD_PARCELS
    with ThreadPoolExecutor(BAD_PARCELS) as pool:
        rude = [pool.submit(exchange.insist, "rude", body) for body in bodies]
        time.sleep(0.3)
        classmate = exchange.hand_in()
        answers = Counter(each.result() for each in rude)
    return {**classmate, "answers": dict(answers)}


def try_idle_connections(exchange):
    """Open connections that send nothing, then hand in."""
    opened = [exchange.connect() for _ in range(IDLE_CONNECTIONS)]
    classmate = exchange.hand_in()
    for each in opened:
        each.close()
    return {**classmate, "connections": len(opened)}


def try_large_bodies(exchange):
    """Begin large uploads that stop before their end, then hand in."""
    before, opened = exchange.read_memory(), []
    for _ in range(LARGE_BODIES):
        each = exchange.begin_upload("rude", MAX_REQUEST_BYTES)
        with contextlib.suppress(OSError):
            for _ in range(80):
                each.sendall(bytes(1_000_000))
        opened.append(each)
    found = {**exchange.hand_in(), "spooled": exchange.count_spooled(), "memory": exchange.read_memory() - before}
    for each in opened:
        each.close()
    time.sleep(1)
    return {**found, "spooled after": exchange.count_spooled()}


def try_many_at_once(exchange):
    """Hand in far more often than is allowed, at once, each trying again while the exchange is busy."""
    bodies = [pack({"hw.ipynb": f"{number}".encode()}) for number in range(AT_ONCE)]
    with ThreadPoolExecutor(64) as pool:
        rude = [pool.submit(exchange.insist, "rude", body) for body in bodies]
        time.sleep(1)
        classmate = exchange.hand_in()
        answers = Counter(each.result() for each in rude)
    folder = exchange.folder / "courses" / COURSE / "submissions" / WORK / "rude"
    return {**classmate, "answers": dict(answers), "kept": len(list(folder.iterdir()))}


def try_lengths(exchange):
    """Send requests with an odd Content-Length; return how many got which answer."""
    found = Counter()
    for length in ODD_LENGTHS:
        with exchange.begin_upload("classmate", length) as opened:
            found[read_status(opened)] += 1
    return {"answers": dict(found)}


def try_timeouts(exchange):
    """Return the seconds until a connection is closed that is silent, sends a slow header, or has had its answer."""
    answered = f"GET /services/exchange/key HTTP/1.1\r\nHost: x{secrets.token_hex(4)}\r\n\r\n".encode()
    slow = f"GET /services/exchange/key HTTP/1.1\r\nX: {'x' * 200}".encode()
    with ThreadPoolExecutor(3) as pool:
        waits = {
            "silent": pool.submit(wait_for_end, exchange.connect()),
            "slow header": pool.submit(wait_for_end, exchange.connect(), slow),
            "answered": pool.submit(wait_for_end, exchange.connect(answered)),
        }
        return {name: wait.result() for name, wait in waits.items()}


def list_faults(figures):
    """Return what does not hold in these figures, in words."""
    limits = {
        "bad parcels": figures["bad parcels"].get("late", 999) <= MAX_LATE_SECONDS,
        "idle connections": figures["idle connections"].get("late", 999) <= MAX_LATE_SECONDS,
        "large bodies": figures["large bodies"].get("late", 999) <= MAX_LATE_SECONDS
        and figures["large bodies"]["spooled"] <= shares.MAX_USER_UPLOADS * MAX_REQUEST_BYTES
        and figures["large bodies"]["spooled after"] == 0,
        "many at once": figures["many at once"].get("late", 999) <= MAX_LATE_SECONDS
        and figures["many at once"]["kept"] <= store.MAX_SUBMISSIONS,
        "lengths": set(figures["lengths"]["answers"]) <= {400, 413},
        "time-outs": max(figures["time-outs"].values()) <= 2 * shares.MAX_IDLE_SECONDS,
    }
    return [name for name, holds in limits.items() if not holds]


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        exchange = Exchange(Path(folder))
        try:
            exchange.send("teacher", pack({"hw.ipynb": b"{}"}), "PUT", "released")
            figures = {"quiet": exchange.hand_in()}
            for name, attempt in (
                ("bad parcels", try_bad_parcels),
                ("idle connections", try_idle_connections),
                ("large bodies", try_large_bodies),
                ("many at once", try_many_at_once),
                ("lengths", try_lengths),
                ("time-outs", try_timeouts),
            ):
                figures[name] = attempt(exchange)
                print(f"{name}: {figures[name]}", flush=True)
        finally:
            exchange.stop()
    faults = list_faults(figures)
    print(json.dumps({**figures, "faults": faults}))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
