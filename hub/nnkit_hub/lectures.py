"""The lectures in a learner's home folder: copied there when a server starts, by the learner's own process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def lay_out(home: Path | None = None) -> list[Path]:
    """Copy the files of NNKIT_LECTURES into `home`/notebooks that are not there yet; returns what was copied.

    A learner's own file is never replaced, and a full disk or a strange folder does not keep a server from starting.
    """
    source, to = os.environ.get("NNKIT_LECTURES"), (home or Path.home()) / "notebooks"
    copied = []
    for path in sorted(Path(source).rglob("*")) if source else ():
        place = to / path.relative_to(str(source))
        if path.is_file() and not place.exists():
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
            except OSError as fault:
                print(f"nnkit: the lecture {place} could not be written: {fault.strerror}")
                break
            copied.append(place)
    return copied
