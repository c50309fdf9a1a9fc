"""Fault injection: training is disturbed repeatedly in one folder and must end bit for bit like the undisturbed run.

    pytest -m slow -s tests/test_faults.py              # short form, as in .ci/run
    python -m tests.test_faults --kills=50              # long form: 50 kill -9 at random moments, on all models

A *life* is one process working on a run's folder. Each fault ends a life, and the next life resumes from its files. After the
last one, weights, optimizers, moving statistics, summaries, dumps and results must equal those of the undisturbed run.
"""

import argparse
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support import REPOSITORY, assert_same, final_weights, read_events, write_idx

SECONDS = 900  # timeout of a life; long, because the machine may be busy
# Script → its flags, the iterations of the whole run, and the iterations per life. The GAN's lives are too short for a
# checkpoint every 500 iterations, so each has its own --max_iterations, at which one is saved.
RUNS = {
    "train_ae.py": (["--z_dim=2"], 6_001, 6_001),
    "train_vae.py": (["--z_dim=2"], 4_001, 4_001),
    "train_gan.py": (["--z_dim=8"], 160, 10),
}


class Life:
    """One process working on a run's folder."""

    def __init__(self, command: list[str], logs_dir: Path, before: Callable[[], None] | None = None):
        self.logs_dir, self.error = logs_dir, tempfile.TemporaryFile("w+")  # noqa: SIM115 (open while the process runs)
        self.out = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.known = {path.name for path in logs_dir.glob("*")}

        def prepare():
            signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell inherit an ignored SIGINT
            if before:
                before()

        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=self.out, stderr=self.error, preexec_fn=prepare)

    def new(self, pattern: str) -> bool:
        """Return whether a file matching `pattern` was created since the process started."""
        return any(path.name not in self.known for path in self.logs_dir.glob(pattern))

    def wait_for(self, condition: Callable[[], bool], pause: float = 0.01) -> bool:
        """Wait for the condition; return False if the process ends first."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(pause)
        return True

    def training(self) -> bool:
        """Wait for the first event file, which shows that training has started."""
        return self.wait_for(lambda: self.new("events.out.tfevents.*"))

    def end(self, *sent: int) -> tuple[int, str, str]:
        """Send signals and wait for the end; return exit status, stdout and stderr."""
        for number in sent:
            self.process.send_signal(number)
            time.sleep(0.05)
        status = self.process.wait(SECONDS)
        said = []
        for file in (self.out, self.error):
            file.seek(0)
            said.append("".join(line for line in file if "not the canonical MNIST" not in line))
            file.close()
        return status, *said


class Soak:
    """A run that is disturbed repeatedly, and an undisturbed run to compare with.

    Attributes:
        tried: how often each fault was tried.
        kills, in_checkpoint: number of kill -9, and how many of them left an incomplete checkpoint.
    """

    def __init__(self, script: str, folder: Path, seed: int, whole: Path | None = None, iterations: int | None = None):
        self.script, self.random = script, random.Random(f"{script} {seed}")
        self.flags, of_long_form, self.step = RUNS[script]
        self.iterations = iterations or of_long_form
        self.data, self.logs_dir, self.until = folder / "idx", folder / "run", 0
        self.tried, self.kills, self.in_checkpoint, self.lives = Counter(), 0, 0, []
        write_idx(self.data, 36, 12)
        self.whole = whole or folder / "whole"
        if whole is None:
            status, _, error = Life(self.command(self.whole), self.whole).end()
            assert status == 0, error

    def command(self, logs_dir: Path, until: int | None = None) -> list[str]:
        flags = [f"--data_dir={self.data}", f"--logs_dir={logs_dir}", "--batch_size=4", "--seed=3", *self.flags]
        return [sys.executable, self.script, *flags, f"--max_iterations={until or self.iterations}"]

    def life(self, before: Callable[[], None] | None = None) -> Life:
        self.until = min(self.until + self.step, self.iterations)
        self.lives.append(Life(self.command(self.logs_dir, self.until), self.logs_dir, before))
        return self.lives[-1]

    def iteration(self) -> int:
        """Return the iteration of the newest checkpoint in the list; -1 if there is none yet."""
        if not (self.logs_dir / "checkpoint").exists():
            return -1
        return int(re.findall(r'model_checkpoint_path: ".*model\.ckpt-(\d+)"', (self.logs_dir / "checkpoint").read_text())[0])

    def checkpoints(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.logs_dir.glob("model.ckpt-*.*") if path.is_file()}

    def try_(self, fault: str) -> None:
        """Inject the named fault and check the reaction."""
        FAULTS[fault](self)
        self.tried[fault] += 1

    def finish(self) -> None:
        """Run the last life undisturbed, and check that it ends like the undisturbed run."""
        status, _, error = Life(self.command(self.logs_dir), self.logs_dir).end()
        assert (status, error) == (0, ""), error
        assert_same(final_weights(self.logs_dir), final_weights(self.whole))
        events, whole = read_events(self.logs_dir), read_events(self.whole)  # fails if a value was written twice
        whole = {key: values for key, values in whole.items() if key[0] in ("scalars", "histograms", "images")}
        lost = "event file deleted" in self.tried
        for key, values in whole.items():
            steps = set(events.get(key, {}))
            assert steps == set(values) or (lost and steps < set(values)), key
            for step in steps:
                np.testing.assert_array_equal(events[key][step], values[step], err_msg=f"{key} at {step}")
        for path in [*self.whole.glob("checkpoint*.txt"), *self.whole.glob("snapshots/*")]:
            assert (self.logs_dir / path.relative_to(self.whole)).read_bytes() == path.read_bytes(), path.name
        results, expected = (json.loads((folder / "results.json").read_text()) for folder in (self.logs_dir, self.whole))
        assert {**results, "training_seconds": 0} == {**expected, "training_seconds": 0} or (
            lost and self.script == "train_gan.py"
        )
        left = {re.sub(r"\d{6,}.*", "", path.name) for path in self.logs_dir.rglob("*") if "model.ckpt" not in path.name}
        assert left == {re.sub(r"\d{6,}.*", "", path.name) for path in self.whole.rglob("*") if "model.ckpt" not in path.name}
        kept = list(self.logs_dir.glob("model.ckpt-*.index"))
        assert len(kept) <= 5, kept
        assert not list(self.logs_dir.glob("*_temp"))


def one_line(status: int, error: str, *parts: str) -> None:
    """Check for exit status 2, no traceback, and one line on stderr that contains these parts."""
    assert status == 2, (status, error)
    [line] = error.splitlines()
    assert re.match(r"train_\w+\.py: error: ", line), line
    for part in parts:
        assert part in line, line


# Kills


def killed(soak: Soak, life: Life) -> None:
    status, _, error = life.end(signal.SIGKILL)
    if status == 0:
        return  # it had already ended
    assert (status, error) == (-signal.SIGKILL, ""), (status, error)
    soak.kills += 1
    soak.in_checkpoint += bool(list(soak.logs_dir.glob("model.ckpt-*_temp")) or list(soak.logs_dir.glob("checkpoint.tmp*")))


def kill(soak: Soak) -> None:
    """Kill -9 at a random moment: in a fifth of the cases within 8 s of the process's start, else within 4 s of training's."""
    life = soak.life()
    if soak.random.random() < 0.2:
        time.sleep(soak.random.uniform(0, 8))
    elif life.training():
        time.sleep(soak.random.uniform(0, 4))
    killed(soak, life)


def kill_in_checkpoint(soak: Soak) -> None:
    """Kill -9 when the temporary folder of a checkpoint appears: the first, second or third checkpoint of this life."""
    life, wanted = soak.life(), soak.random.choice([1, 1, 2, 3] if soak.step == soak.iterations else [1])
    seen: set[str] = set()

    def writes() -> bool:
        with contextlib.suppress(FileNotFoundError):
            seen.update(entry.name for entry in os.scandir(soak.logs_dir) if entry.name.endswith("_temp"))
        return len(seen - life.known) >= wanted

    life.wait_for(writes, pause=0.0005)
    killed(soak, life)


# Signals that request a stop


def stop(soak: Soak, sent: int) -> None:
    life = soak.life()
    if not life.training():
        assert life.end()[0] == 0
        return
    status, out, error = life.end(sent)
    if status == 0:  # it was already writing its outputs, or had finished
        return
    if "Interrupted" in error:  # it was writing its outputs
        assert (status, len(error.strip().splitlines())) == (128 + sent, 1), error
        return
    if status == -sent:  # SIGTERM outside training
        return
    assert (status, error) == (128 + sent, ""), error
    [at] = re.findall(r"Stopped and saved at iteration ([\d,]+)\. To resume, rerun", out)
    assert soak.iteration() == int(at.replace(",", ""))


def twice_ctrl_c(soak: Soak) -> None:
    before, life = soak.iteration(), soak.life()
    life.training()
    status, _, error = life.end(signal.SIGINT, signal.SIGINT)
    assert status in (0, 130), error
    assert len(error.strip().splitlines()) <= 1, error
    assert soak.iteration() >= before


# Full disks


def too_large(most: int) -> Callable[[], None]:
    """Limit the file size of this process; writing more fails as on a full disk."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return limit


def full_for_checkpoints(soak: Soak) -> None:
    """Neither checkpoints nor the model can be written."""
    before = soak.checkpoints()
    status, _, error = soak.life(too_large(600_000)).end()
    one_line(status, error, "File too large")
    assert before.items() <= soak.checkpoints().items()
    assert not [path for path in soak.logs_dir.rglob("new-*") if path.is_file()]


def full_for_events(soak: Soak) -> None:
    """The event file cannot grow, so no iteration beyond its content may count as completed."""
    before = soak.checkpoints()
    status, _, error = soak.life(too_large(20_000)).end()
    one_line(status, error, "File too large")
    assert before.items() <= soak.checkpoints().items()


def full_disk(soak: Soak) -> None:
    """The run's folder is on its own small file system, which is full."""
    with mounted(soak) as folder:
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
        (folder / "filler").write_bytes(bytes(free - 300_000))
        before = soak.checkpoints()
        status, _, error = soak.life().end()
        one_line(status, error, "No space left on device")
        assert before.items() <= soak.checkpoints().items()
        (folder / "filler").unlink()


def read_only(soak: Soak) -> None:
    """The folder is read-only."""
    before = {path: path.stat().st_mtime_ns for path in soak.logs_dir.rglob("*")}
    if os.geteuid():
        soak.logs_dir.chmod(0o555)
        status, _, error = soak.life().end()
        soak.logs_dir.chmod(0o755)
        assert {path: path.stat().st_mtime_ns for path in soak.logs_dir.rglob("*")} == before
    else:  # root ignores permissions
        with mounted(soak) as folder:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
            status, _, error = soak.life().end()
    one_line(status, error, "--logs_dir must be writable", str(soak.logs_dir))


@contextlib.contextmanager
def mounted(soak: Soak) -> Iterator[Path]:
    """Move the run's folder to its own file system, and back afterwards."""
    soak.logs_dir.mkdir(exist_ok=True)
    kept = soak.logs_dir.rename(soak.logs_dir.with_name("kept"))
    soak.logs_dir.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300m", "none", str(soak.logs_dir)]
    given = subprocess.run(command, capture_output=True, text=True)
    if given.returncode:
        soak.logs_dir.rmdir()
        kept.rename(soak.logs_dir)
        raise CannotTryError(f"{' '.join(command[:5])}: {given.stderr.strip()}")
    try:
        shutil.copytree(kept, soak.logs_dir, dirs_exist_ok=True)
        yield soak.logs_dir
        shutil.rmtree(kept)
        shutil.copytree(soak.logs_dir, kept)
    finally:
        subprocess.run(["umount", str(soak.logs_dir)], check=True)
        soak.logs_dir.rmdir()
        kept.rename(soak.logs_dir)


# Damaged files


def newest(soak: Soak) -> list[int]:
    """Return the checkpoints' iterations, newest first. If there is only one, run a life that adds another."""
    while True:
        found = sorted((int(path.stem.split("-")[1]) for path in soak.logs_dir.glob("model.ckpt-*.index")), reverse=True)
        if len(found) > 1:
            return found
        stop(soak, signal.SIGTERM)


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 16
    path.write_bytes(content[: len(content) // 2] if how == "truncated" else content)


def goes_on_from(soak: Soak, iteration: int, *said: str) -> None:
    """Run a life; check that it prints these parts on one line and resumes from that iteration."""
    life = soak.life()
    life.training()
    _, out, error = life.end(signal.SIGKILL)
    [line] = error.splitlines()
    assert line.startswith("WARNING: ")
    assert all(part in line for part in said), line
    assert line.endswith(f"resuming from {soak.logs_dir}/model.ckpt-{iteration}")
    assert f"Model restored: iteration {iteration:,}" in out or not out  # the output may not have been flushed yet


def damaged_checkpoint(soak: Soak, how: str) -> None:
    """The newest checkpoint is damaged: the one before it is restored, and the message names both."""
    newest(soak)
    last = soak.iteration()
    before = max(number for number in newest(soak) if number != last)
    damage(soak.logs_dir / f"model.ckpt-{last}.data-00000-of-00001", how)
    goes_on_from(soak, before, f"cannot read the checkpoint {soak.logs_dir}/model.ckpt-{last}: ")


def all_damaged(soak: Soak) -> None:
    """All checkpoints are damaged: the run is refused and leaves them alone. When repaired, they are resumed from."""
    numbers, before = newest(soak), soak.checkpoints()
    for number in numbers:
        damage(soak.logs_dir / f"model.ckpt-{number}.index", "truncated")
    damaged = {path: path.read_bytes() for path in soak.logs_dir.rglob("*") if path.is_file() and path.name != "lock"}
    status, _, error = soak.life().end()
    one_line(status, error, *(f"model.ckpt-{number}: " for number in numbers), "Nothing was changed")
    assert {path: path.read_bytes() for path in soak.logs_dir.rglob("*") if path.is_file() and path.name != "lock"} == damaged
    for name, content in before.items():
        (soak.logs_dir / name).write_bytes(content)


def list_damaged(soak: Soak, content: bytes | None) -> None:
    """TensorFlow's list `checkpoint` is missing or invalid: the newest existing checkpoint is restored."""
    last = newest(soak)[0]
    (soak.logs_dir / "checkpoint").unlink()
    if content is not None:
        (soak.logs_dir / "checkpoint").write_bytes(content)
    goes_on_from(soak, last, f"{soak.logs_dir}/checkpoint, which names the newest checkpoint, is missing or damaged")


def event_file_deleted(soak: Soak) -> None:
    """The event file is deleted while open: the process warns and writes later events to a new file."""
    life = soak.life()
    if life.training():
        life.process.send_signal(signal.SIGSTOP)
        for path in soak.logs_dir.glob("events.out.tfevents.*"):
            path.unlink()
        life.known = set()
        life.process.send_signal(signal.SIGCONT)
        again = life.training()
    else:
        again = False
    status, _, error = life.end(signal.SIGKILL)
    assert status in (0, -signal.SIGKILL), error
    assert not again or "was deleted, and with it the events before iteration" in error
    assert len(error.splitlines()) == again, error


def data_deleted(soak: Soak) -> None:
    """The data is deleted: the process continues, as it has the data in memory; the next one ends with an error."""
    life, away = soak.life(), soak.data.with_name("away")
    life.training()
    soak.data.rename(away)
    status, _, error = life.end()
    assert (status, error) == (0, ""), error
    before = soak.checkpoints()
    status, _, error = soak.life().end()
    one_line(status, error, str(soak.data))
    assert soak.checkpoints() == before
    away.rename(soak.data)


def two_processes(soak: Soak) -> None:
    """The second process is refused, and the message names the first; after the first dies, its lock has no effect."""
    first = soak.life()
    if not first.training():
        return
    first.process.send_signal(signal.SIGSTOP)
    assert (soak.logs_dir / "lock").read_text() == str(first.process.pid)
    status, _, error = soak.life().end()
    one_line(status, error, f"another process (its id: {first.process.pid}) is working in {soak.logs_dir}")
    first.end(signal.SIGKILL)
    assert (soak.logs_dir / "lock").read_text() == str(first.process.pid)  # stale: the next life ignores it


class CannotTryError(Exception):
    """A fault cannot be injected on this machine; the message says why."""


FAULTS: dict[str, Callable[[Soak], None]] = {
    "kill -9": kill,
    "kill -9 in a checkpoint": kill_in_checkpoint,
    "SIGTERM": lambda soak: stop(soak, signal.SIGTERM),
    "Ctrl-C": lambda soak: stop(soak, signal.SIGINT),
    "Ctrl-C twice": twice_ctrl_c,
    "files too large for checkpoints": full_for_checkpoints,
    "files too large for events": full_for_events,
    "full disk": full_disk,
    "read-only folder": read_only,
    "truncated checkpoint": lambda soak: damaged_checkpoint(soak, "truncated"),
    "flipped bit in a checkpoint": lambda soak: damaged_checkpoint(soak, "flipped"),
    "all checkpoints damaged": all_damaged,
    "list of checkpoints missing": lambda soak: list_damaged(soak, None),
    "list of checkpoints garbled": lambda soak: list_damaged(soak, b"\x00garbage"),
    "event file deleted": event_file_deleted,
    "data deleted": data_deleted,
    "two processes": two_processes,
}
# The short form: faults that tests/training/test_checkpoints.py and tests/test_resume.py do not inject within one process,
# each once; fewer on the GAN, whose lives cost most, and in a shorter run.
OF_SCRIPT = {
    "train_vae.py": ["SIGTERM", "full disk", "event file deleted", "read-only folder", "data deleted"],
    "train_gan.py": ["kill -9 in a checkpoint", "Ctrl-C twice"],
}
IN_SHORT = {"train_gan.py": 40}  # iterations of the whole run


class Counts:
    """Number of tried faults, over several runs."""

    def __init__(self):
        self.tried, self.kills, self.in_checkpoint, self.runs, self.not_tried = Counter(), 0, 0, 0, {}

    def soak(self, soak: Soak, faults: list[str]) -> None:
        """Inject these faults one after the other, check that the run ends like the undisturbed one, and count."""
        try:
            for fault in faults:
                try:
                    soak.try_(fault)
                except CannotTryError as error:
                    self.not_tried[fault] = str(error)
            soak.finish()
        finally:
            for life in soak.lives:  # stop leftover processes when a test fails
                if life.process.poll() is None:
                    life.process.kill()
        self.tried += soak.tried
        self.kills, self.in_checkpoint, self.runs = (
            self.kills + soak.kills,
            self.in_checkpoint + soak.in_checkpoint,
            self.runs + 1,
        )

    def __str__(self):
        tried = ", ".join(f"{fault} {count}" for fault, count in sorted(self.tried.items()) if not fault.startswith("kill -9"))
        not_tried = "".join(f"; NOT TRIED: {fault} ({why})" for fault, why in self.not_tried.items())
        return (
            f"kills survived: {self.kills} ({self.in_checkpoint} of them during a checkpoint); other faults tried: "
            f"{sum(count for fault, count in self.tried.items() if not fault.startswith('kill -9'))} ({tried}); "
            f"runs that ended bit for bit as undisturbed: {self.runs}{not_tried}"
        )


@pytest.mark.slow
@pytest.mark.parametrize("script", OF_SCRIPT)
def test_a_disturbed_run_ends_like_an_undisturbed_one(script, tmp_path, record_property):
    counts = Counts()
    counts.soak(Soak(script, tmp_path, seed=0, iterations=IN_SHORT.get(script)), OF_SCRIPT[script])
    record_property("counts", f"{script}: {counts}")
    # The GAN's first checkpoint comes seconds before its process ends, so the kill always finds it alive.
    assert counts.kills == OF_SCRIPT[script].count("kill -9 in a checkpoint"), str(counts)


def main() -> None:
    """Run the long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="number of kill -9 in total, spread evenly over the models")
    parser.add_argument("--in_a_run", type=int, default=7, help="kills in one run, after which its end is compared")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    parser.add_argument("--scripts", nargs="*", default=list(RUNS), choices=list(RUNS))
    given = parser.parse_args()
    counts, done = Counts(), Counter()
    with tempfile.TemporaryDirectory() as name:
        for number, script in enumerate(given.scripts):
            wanted, whole, seed = (given.kills + number) // len(given.scripts), None, given.seed
            others = [fault for fault in FAULTS if not fault.startswith("kill -9")]
            while done[script] < wanted:
                folder = Path(name, f"{script}_{seed}")
                soak, before = Soak(script, folder, seed, whole), counts.kills
                whole = soak.whole
                several = min(given.in_a_run, wanted - done[script])
                faults = soak.random.choices(["kill -9", "kill -9 in a checkpoint"], k=several)
                faults[1:1] = [others.pop(0) for _ in range(min(5, len(others)))]
                counts.soak(soak, faults)
                shutil.rmtree(folder / "run")
                done[script], seed = done[script] + counts.kills - before, seed + 1
                print(f"{script}, seed {seed - 1}: {counts}", flush=True)
    print(counts)


if __name__ == "__main__":
    main()
