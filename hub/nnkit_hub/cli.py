"""The verbs that nnkit-hub adds to the `nnkit` command; each imports what it needs when it is used."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnkit.cli import add_course, add_verb


def add_commands(verbs: Any) -> None:
    """Add a parser for each verb."""
    _add_hub(add_verb(verbs, hub))
    _add_receipt(add_verb(verbs, receipt))


def hub(args: argparse.Namespace) -> int:
    """run a JupyterHub with a demo class on this machine: a TA, three learners, ps1 released; all in build/hub"""
    from nnkit_hub.demo.demo_hub import run_demo_hub

    return run_demo_hub(args.course.resolve(), args.folder or args.course / "build" / "hub", args.port)


def receipt(args: argparse.Namespace) -> int:
    """show what a receipt of the exchange proves: who handed in which files when, and whether these files match"""
    from nnkit_hub.exchange import receipts

    lines, status = receipts.check_receipt(args.receipt, args.files, args.key)
    print("\n".join(lines))
    return status


def _add_hub(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--port", type=int, default=8000, help="port, which only this machine can reach (default: 8000)")
    sub.add_argument("--folder", type=Path, help="folder for all of the hub's files (default: build/hub)")
    add_course(sub)


def _add_receipt(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "receipt", type=Path, metavar="FILE", help="for example receipts/TIME/receipt.json next to your work"
    )
    sub.add_argument(
        "--files", type=Path, metavar="FOLDER", help="files to compare (default: those next to the receipt)"
    )
    sub.add_argument("--key", default="", help="the exchange's public key (default: ask the exchange for it)")
