"""The lectures in a learner's home folder, copied when the server starts, by the learner's own process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def copy_lectures(home: Path | None = None) -> list[Path]:
    """Copy those files of NNKIT_LECTURES that are missing into `home`/notebooks, and return what was copied.

    A learner's own file is never replaced, and a full disk or an odd folder does not stop a server from starting.
    """
    source, to = os.environ.get("NNKIT_LECTURES"), (home or Path.home()) / "notebooks"
    copied = []
    for path in sorted(Path(source).rglob("*")) if source else ():
        target = to / path.relative_to(str(source))
        if path.is_file() and not target.exists():
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            except OSError as fault:
                print(f"nnkit: the lecture {target} could not be written: {fault.strerror}")
                break
            copied.append(target)
    return copied
