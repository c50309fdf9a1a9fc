"""Jobs as processes: their cores, failures, interruption and restart. The jobs here run small scripts, not trainings."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import REPOSITORY, start, wait_for, write_run
from unsupervised_learning.reproduce import pool
from unsupervised_learning.reproduce.experiments import EXPERIMENTS
from unsupervised_learning.reproduce.jobs import Job, Request
from unsupervised_learning.training import run_directory

LINUX = sys.platform == "linux"
RUN = """
import json, os, sys, time
folder, seconds, status = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
os.makedirs(folder, exist_ok=True)
open(folder + "/started", "a").write(f"{os.getpid()}\\n")
time.sleep(seconds)
if status:
    print("first line"); print("run.py: error: the reason"); sys.exit(status)
settings = json.load(open(os.path.dirname(sys.argv[0]) + "/settings.json"))
settings["seed"] = int(folder[-1])
config = {"model": "AutoEncoder", "settings": settings, "data": {"name": "mnist", "source": "", "checksum": ""}}
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
json.dump({**config, "cores": cores, "argv": sys.argv}, open(folder + "/config.json", "w"))
json.dump({"iterations": 5, "training_seconds": 1.0, "test_l2": 4.5}, open(folder + "/results.json", "w"))
"""


@pytest.fixture
def job(tmp_path):
    """Function that makes a job: a script that sleeps and then finishes, or fails with a status."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    (tmp_path / "settings.json").write_text(json.dumps(EXPERIMENTS["autoencoder"].expected()))

    def make(seed: int, seconds: float = 0, status: int = 0) -> Job:
        folder = tmp_path / f"autoencoder_seed{seed}"
        return Job("autoencoder", seed, folder, (str(script), str(folder), str(seconds), str(status)), 5, "mnist")

    return make


def test_every_job_runs_on_one_core(job, capsys):
    jobs = [job(seed) for seed in range(4)]
    on = pool.cores(3)
    assert pool.run(jobs, on) == {}
    assert capsys.readouterr().out.count(": done in ") == 4
    records = [json.loads((one.folder / "config.json").read_text()) for one in jobs]
    assert [record["argv"] for record in records] == [list(one.words) for one in jobs]  # as if started directly
    if LINUX:
        assert all(set(record["cores"]) in on for record in records)
        assert [record["cores"] for record in records[: pool.at_once(on)]] == [
            sorted(core or ()) for core in on[: pool.at_once(on)]
        ]


def test_finished_jobs_do_not_run_again(job):
    pool.run([job(0), job(1)], pool.cores(1))
    assert pool.run([job(0), job(1), job(2)], pool.cores(1)) == {}
    assert [len((job(seed).folder / "started").read_text().split()) for seed in range(3)] == [1, 1, 1]


def test_a_job_that_fails_is_named_with_its_last_line_and_the_others_go_on(job, capsys):
    failed = pool.run([job(0, status=2), job(1)], pool.cores(1))
    assert failed == {job(0, status=2): "exit status 2: run.py: error: the reason"}
    [said] = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert said.startswith("autoencoder, seed 0: FAILED after ")
    assert said.endswith(f", exit status 2: run.py: error: the reason ({job(0).log})")
    assert job(1).finished()


def test_the_last_line_is_of_this_attempt(job):
    job(0).log.write_text("from an earlier attempt\n")
    silent = job(0, seconds=60)
    one = pool.Running(silent, None)
    one.process.kill()
    one.process.wait()
    failed = {}
    assert "it printed nothing" in pool.outcome(one, failed)
    assert failed == {silent: f"exit status {-signal.SIGKILL}: it printed nothing"}


def test_a_folder_that_cannot_be_made_fails_instead_of_waiting(job):
    job(0).folder.write_text("a file")
    assert not job(0).is_locked()
    failed = pool.run([job(0)], pool.cores(1))
    assert "File exists" in failed[job(0)]


def test_only_different_cores_count_for_the_time_left():
    assert pool.at_once([{0}, {1}, {0}, {1}]) == 2
    assert pool.at_once([None] * 1_000) == os.cpu_count()


def test_a_job_in_use_by_another_process_waits(job):
    with run_directory.lock(job(0).folder) as held:
        started = time.monotonic()
        signal.signal(signal.SIGALRM, lambda *_: held.close())
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        assert pool.run([job(0), job(1)], pool.cores(1)) == {}
    assert time.monotonic() - started >= 1.0
    assert os.stat(job(1).folder / "started").st_mtime < os.stat(job(0).folder / "started").st_mtime


def test_an_interruption_stops_the_jobs_and_waits_for_them(job, monkeypatch):
    stopped = []

    def interrupted(_done, _count, running, *_):
        stopped.extend(running)
        raise KeyboardInterrupt

    monkeypatch.setattr(pool, "state", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.run([job(0, seconds=60)], pool.cores(1))
    assert [one.process.returncode for one in stopped] == [-signal.SIGTERM]


@pytest.mark.slow
@pytest.mark.skipif(not LINUX, reason="only Linux can end a process with its parent")
def test_jobs_end_when_the_pool_is_killed(job, tmp_path):
    one = job(0, seconds=60)
    program = f"""
        import sys
        from pathlib import Path, PosixPath
        sys.path.insert(0, {str(REPOSITORY)!r})
        from unsupervised_learning.reproduce import jobs, pool
        pool.run([jobs.{one!r}], pool.cores(1))
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    try:
        wait_for((one.folder / "started").exists, process)
        time.sleep(0.2)
        child = int((one.folder / "started").read_text())
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "the job outlived the pool"
        time.sleep(0.05)


def test_the_line_says_what_runs_and_what_is_left(job):
    running = pool.Running(job(0, seconds=60), None)
    try:
        costs: Any = SimpleNamespace(seconds={"autoencoder": 120.0})
        line = pool.state(3, 7, [running], {job(1): 1.0, job(2): 1.0, job(3): 1.0}, costs, 2)
        assert line == "3/7 done; about 4 min left; autoencoder 0 (0%)"
        assert pool.state(3, 7, [running], {job(1): 0.1}, costs, 1).startswith("3/7 done; about 2 min left; ")
        job(0).folder.mkdir(exist_ok=True)
        (job(0).folder / "model.ckpt-4.index").touch()
        assert pool.state(3, 7, [running], {}, costs, 2) == "3/7 done; about 24 s left; autoencoder 0 (80%)"
    finally:
        running.process.kill()
        running.process.wait()


# The command


def reproduce(*arguments: str) -> tuple[int, str, str]:
    process = start("-m", "unsupervised_learning.reproduce", *arguments)
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


@pytest.mark.slow
def test_the_exit_status_names_the_signal_or_a_failure(tmp_path):
    quick = ("autoencoder", "--quick", "--dataset=digits", f"--out={tmp_path}")
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start("-m", "unsupervised_learning.reproduce", *quick)
        wait_for((tmp_path / "autoencoder_seed0" / "lock").exists, process)
        process.send_signal(number)
        _, err = process.communicate(timeout=100)
        assert process.returncode == 128 + number
        assert "Stopped; saved work is kept. To resume, rerun: python -m unsupervised_learning.reproduce autoencoder" in err
        (tmp_path / "autoencoder_seed0" / "lock").unlink()
    folder = write_run(tmp_path / "other", "vae_fixed")
    shutil.rmtree(tmp_path / "autoencoder_seed0")
    folder.rename(tmp_path / "autoencoder_seed0")  # a run of another model
    status, _, err = reproduce(*quick)
    assert status == 1
    assert "failed: autoencoder, seed 0: exit status 2: " in err


@pytest.mark.slow
def test_a_killed_command_can_be_repeated_with_the_same_results(tmp_path):
    """The command is killed and repeated; the results are those of an undisturbed command."""
    quick = ("--quick", "--dataset=digits")
    process = start("-m", "unsupervised_learning.reproduce", "autoencoder", *quick, f"--out={tmp_path}/killed")
    wait_for((tmp_path / "killed" / "autoencoder_seed0" / "config.json").exists, process)
    process.kill()
    process.communicate()
    status, said, _ = reproduce("gan_notes_baseline", "autoencoder", *quick, f"--out={tmp_path / 'killed'}")
    assert status == 0, said
    assert "The numbers mean nothing." in said
    assert not pool.run(Request(["autoencoder"], out=tmp_path / "whole", quick=True, dataset="digits").jobs(), pool.cores(1))
    killed, whole = (
        json.loads((tmp_path / out / "autoencoder_seed0" / "results.json").read_text()) for out in ("killed", "whole")
    )
    assert {**killed, "training_seconds": 0} == {**whole, "training_seconds": 0}
    [run] = json.loads((tmp_path / "killed" / "gan_notes" / "results.json").read_text())["runs"]
    assert run["frechet"] != run["frechet_batch_statistics"]
    assert "preliminary" in (tmp_path / "killed" / "gan_notes" / "report.md").read_text()
    assert (tmp_path / "killed" / "report" / "index.html").exists()


def test_the_list_counts_runs_on_the_data_that_was_asked_for(tmp_path, run_script):
    folder = write_run(tmp_path, "autoencoder", iterations=201)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "data": {**config["data"], "name": "digits"}}))
    listed = ("unsupervised_learning/reproduce/__main__.py", "autoencoder", "--quick", "--list", f"--out={tmp_path}")
    for dataset, done in (("digits", "1"), ("mnist", "0")):
        run = run_script(*listed, f"--dataset={dataset}")
        [row] = [line.split() for line in run.out.splitlines() if line.startswith("autoencoder")]
        assert row[:3] == ["autoencoder", "1", done]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["vea"], ["autoencoder", "vea"]),
        (["--seeds=0"], ["seeds", "0"]),
        (["--jobs=0"], ["jobs", "0"]),
        (["--dataset=cifar"], ["dataset", "cifar"]),
        (["--out="], ["out"]),
        (["--out=a*b"], ["--out must not contain *", "a*b"]),
        (["autoencoder", "--data_dir=/no/such/folder"], ["/no/such/folder"]),
        (["--original_logs=/no/such/folder"], ["original_logs", "/no/such/folder"]),
        (["run3", "DIR"], ["run3 DIR LOGS"]),
        (["gan-notes"], ["gan_notes", "gan-notes"]),
    ],
)
def test_wrong_arguments_give_a_one_line_error(arguments, parts, tmp_path, run_script):
    if not any(argument.startswith("--out=") for argument in arguments):
        arguments = [*arguments, f"--out={tmp_path / 'new'}"]
    run = run_script("unsupervised_learning/reproduce/__main__.py", *arguments)
    assert run.status == 2
    [line] = run.err.strip().splitlines()
    assert line.startswith("reproduce: error: ")
    assert all(part in line for part in parts), line
    assert not (tmp_path / "new").exists()
