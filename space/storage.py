"""How much lies on disk of what visitors sent or had made."""

import os
from pathlib import Path

FILE_BYTES = 64_000  # a file counts so much at least: very many small ones take room and time, too


def folder_bytes(folder: Path) -> int:
    """What lies below a folder; files that vanish meanwhile count nothing."""
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += max(FILE_BYTES, entry.stat(follow_symlinks=False).st_size)
        except OSError:
            continue
    return total
