"""Files and folders that are replaced in one step."""

import os
from pathlib import Path

import pytest

from unsupervised_learning.atomic_files import written_anew


def replace(path: Path, name: str) -> None:
    """Replace a folder by one with a single file."""
    with written_anew(path) as new:
        new.mkdir()
        (new / name).write_text("whole")


def test_a_folder_is_replaced(tmp_path):
    path = tmp_path / "report"
    for text in ("1", "2"):
        replace(path, text)
        assert [file.name for file in path.iterdir()] == [text]
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", [1, 2])
def test_the_old_or_the_new_folder_is_whole_whenever_the_process_is_killed(tmp_path, monkeypatch, failing):
    path, calls, rename = tmp_path / "report", [], os.replace
    path.mkdir()
    (path / "old").write_text("whole")

    def killed(*names):
        calls.append(names)
        if len(calls) == failing:
            raise KeyboardInterrupt
        rename(*names)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        replace(path, "new")
    assert [file.read_text() for file in tmp_path.rglob("old")] == ["whole"]
    assert path.exists() == (failing == 1)


def test_other_folders_are_not_touched(tmp_path):
    for name in ("old-report", "report.old", "new-report.txt"):
        (tmp_path / name).mkdir()
    (tmp_path / "report").mkdir()
    replace(tmp_path / "report", "new")
    assert {one.name for one in tmp_path.iterdir()} == {"report", "old-report", "report.old", "new-report.txt"}
