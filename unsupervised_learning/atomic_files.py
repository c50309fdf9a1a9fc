"""Atomic file writes: each file is written under a temporary name, then renamed."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@contextmanager
def written_anew(path: Path, name: str | None = None) -> Iterator[Path]:
    """Context that yields a temporary path to write, which then replaces `path`. After an error the temporary is deleted.

    Args:
        path: the file or folder to replace. A folder, which a rename cannot replace, is renamed first and deleted last.
        name: name of the temporary file; by default `new-<name of the file>`.
    """
    new = path.with_name(name or f"new-{path.name}")
    try:
        yield new
        old = new.with_name(f"{new.name}.old")
        if of_folders := new.is_dir() and path.is_dir():
            shutil.rmtree(old, ignore_errors=True)  # left by a killed process
            os.replace(path, old)
        os.replace(new, path)
        if of_folders:
            shutil.rmtree(old, ignore_errors=True)
    finally:
        if new.is_dir():
            shutil.rmtree(new, ignore_errors=True)
        else:
            new.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that readers see the old or the new content and never a part, even if the process is killed."""
    with written_anew(path) as new:
        new.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: Json) -> None:
    """Write indented JSON."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> Json:
    """Return the content of a JSON file.

    Raises:
        OSError, ValueError: it cannot be read, or does not hold an object.
    """
    content = json.loads(path.read_text())
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, found a {type(content).__name__}")
    return content
