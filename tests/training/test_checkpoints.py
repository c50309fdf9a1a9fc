"""Which checkpoint is restored if the newest, or TensorFlow's list, is damaged, missing or from another folder."""

import shutil

import pytest
import tensorflow as tf

from unsupervised_learning.errors import RunError
from unsupervised_learning.training import checkpoints


@pytest.fixture
def logs_dir(tmp_path):
    """Folder with checkpoints of iterations 5, 10 and 100; each holds ten times its iteration."""
    value = tf.Variable(tf.zeros(1000))
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(value=value), str(tmp_path / "run"), 5, checkpoint_name="model.ckpt"
    )
    for number in (5, 10, 100):
        value.assign(tf.fill(1000, 10.0 * number))
        manager.save(checkpoint_number=number)
    return tmp_path / "run"


def restored(logs_dir, mend=False):
    """Return the name of the restored checkpoint, and the number it holds."""
    value = tf.Variable(tf.zeros(1000))
    path = checkpoints.restore_newest(tf.train.Checkpoint(value=value), logs_dir, mend)
    return path and path.name, float(value[999])


def damage(logs_dir, number, how):
    path = logs_dir / f"model.ckpt-{number}.{'index' if 'index' in how else 'data-00000-of-00001'}"
    content = bytearray(path.read_bytes())
    if "flipped" in how:
        content[len(content) // 2] ^= 1
    path.write_bytes(content[: len(content) // 2] if "cut" in how else b"" if "empty" in how else content)
    if "gone" in how:
        path.unlink()


DAMAGE = ["cut", "flipped", "empty", "gone", "index cut", "index flipped", "index empty"]


def test_newest_checkpoint_is_restored_silently(logs_dir, capfd):
    assert restored(logs_dir) == ("model.ckpt-100", 1000.0)
    assert capfd.readouterr() == ("", "")


def test_no_checkpoint(tmp_path):
    assert restored(tmp_path) == (None, 0.0)


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_checkpoint_falls_back_to_the_one_before(how, logs_dir, capfd):
    damage(logs_dir, 100, how)
    assert restored(logs_dir) == ("model.ckpt-10", 100.0)
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith(f"WARNING: cannot read the checkpoint {logs_dir}/model.ckpt-100: ")
    assert line.endswith(f"; resuming from {logs_dir}/model.ckpt-10")


def test_all_damaged(logs_dir):
    for number, how in ((5, "cut"), (10, "flipped"), (100, "index empty")):
        damage(logs_dir, number, how)
    before = {path: path.read_bytes() for path in logs_dir.iterdir()}
    with pytest.raises(RunError, match=r"model.ckpt-100: .*model.ckpt-10: .*model.ckpt-5: .*Nothing was changed") as caught:
        restored(logs_dir)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in logs_dir.iterdir()} == before


@pytest.mark.parametrize("content", [None, b"", b"garbage\n", b"\xff\xfe\x00", b'model_checkpoint_path: "model.ckpt-7"\n'])
def test_useless_list(content, logs_dir, capfd):
    if content is None:
        (logs_dir / "checkpoint").unlink()
    else:
        (logs_dir / "checkpoint").write_bytes(content)
    assert restored(logs_dir) == ("model.ckpt-100", 1000.0)
    [line] = capfd.readouterr().err.splitlines()
    assert f"{logs_dir}/checkpoint" in line
    assert line.endswith(f"resuming from {logs_dir}/model.ckpt-100")


def test_an_older_checkpoint_that_the_list_names_is_restored(logs_dir):
    (logs_dir / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-5"\n')
    assert restored(logs_dir) == ("model.ckpt-5", 50.0)


def test_a_copied_run_is_restored_from_the_copy(logs_dir, tmp_path):
    shutil.copytree(logs_dir, tmp_path / "copy")
    for path in logs_dir.glob("model.ckpt-100*"):
        path.unlink()
    assert restored(tmp_path / "copy") == ("model.ckpt-100", 1000.0)


def test_repairing_the_folder(logs_dir):
    """Damaged files are renamed, the list is corrected, unfinished files are removed, and nothing else changes."""
    damage(logs_dir, 100, "cut")
    (logs_dir / "model.ckpt-200_temp").mkdir()
    (logs_dir / "model.ckpt-200_temp" / "part").write_bytes(b"1")
    for name in ("checkpoint.tmp1234", "new-events", "new-ideas.txt", "model.ckpt-notes.index"):
        (logs_dir / name).write_text("")
    assert restored(logs_dir, mend=True) == ("model.ckpt-10", 100.0)
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(), str(logs_dir), 5, checkpoint_name="model.ckpt")
    assert manager.latest_checkpoint == str(logs_dir / "model.ckpt-10")
    assert manager.checkpoints == [str(logs_dir / f"model.ckpt-{number}") for number in (5, 10)]
    endings = ("data-00000-of-00001", "index")
    expected = {
        f"{name}.{ending}" for name in ("model.ckpt-5", "model.ckpt-10", "damaged-model.ckpt-100") for ending in endings
    }
    expected |= {"checkpoint", "new-ideas.txt", "model.ckpt-notes.index"}
    assert {path.name for path in logs_dir.iterdir()} == expected


def test_nothing_is_repaired_if_no_checkpoint_is_readable(logs_dir):
    (logs_dir / "checkpoint.tmp1234").write_text("")
    for number in (5, 10, 100):
        damage(logs_dir, number, "cut")
    before = {path: path.read_bytes() for path in logs_dir.iterdir()}
    with pytest.raises(RunError, match="Nothing was changed"):
        restored(logs_dir, mend=True)
    assert {path: path.read_bytes() for path in logs_dir.iterdir()} == before
