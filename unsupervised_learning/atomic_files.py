"""Files that appear whole or not at all: written under another name, then renamed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@contextmanager
def written_anew(path: Path, name: str | None = None) -> Iterator[Path]:
    """A file to write under another name, which then takes the place of `path`; after an error it is gone.

    Args:
        path: the file to replace.
        name: the other name; `new-<name of the file>` if not given.
    """
    new = path.with_name(name or f"new-{path.name}")
    try:
        yield new
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader, or a crash, finds the old one or the new one and nothing between."""
    with written_anew(path) as new:
        new.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: Json) -> None:
    """Write indented JSON."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> Json:
    """A JSON file's content.

    Raises:
        OSError, ValueError: if it cannot be read, or holds something else than an object.
    """
    content = json.loads(path.read_text())
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, found a {type(content).__name__}")
    return content
