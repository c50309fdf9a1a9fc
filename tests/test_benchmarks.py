"""The benchmarks run, with rounds too short to be meaningful, and the claims can read their output."""

import json
import subprocess
import sys

import pytest

from benchmarks import reproduction, scale
from tests.support import REPOSITORY
from unsupervised_learning.compare import claims, judgements
from unsupervised_learning.reproduce import experiments


def benchmark(*arguments):
    command = [sys.executable, "-m", "benchmarks.training", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.slow
def test_a_short_race_is_recorded_but_decides_no_claim(tmp_path):
    contestants = ("ours", "ours, no callbacks")
    run = benchmark(
        *("--models", "vae", "--contestants", *contestants),
        *("--rounds", "2", "--share", "0.01", "--out", str(tmp_path / "speed")),
    )
    assert run.returncode == 0, run.stderr
    speed = json.loads((tmp_path / "speed" / "speed.json").read_text())
    times = speed["seconds_per_iteration"]
    assert {name: len(rounds) for name, rounds in times["vae"].items()} == dict.fromkeys(contestants, 2)
    assert all(0 < seconds < 300 for seconds in speed["start_seconds"]["vae"].values())
    assert all(10e6 < size < 20e9 for size in speed["peak_bytes"]["vae"].values())
    assert "### vae, batch 256" in run.stdout
    times["autoencoder"] = times["vae"]  # the claim needs both
    (tmp_path / "speed" / "speed.json").write_text(json.dumps(speed))
    [claim] = [claim for claim in claims.CLAIMS if claim.measurement]
    assert claim.find(experiments.find_runs(tmp_path)).verdict == judgements.CANNOT  # too short to mean anything
    assert experiments.find_runs(tmp_path).left_out == {"speed/speed.json": "its rounds were shortened to 0.01 of their length"}
    speed["setting"]["share"] = 1.0
    (tmp_path / "speed" / "speed.json").write_text(json.dumps(speed))
    assert claim.find(experiments.find_runs(tmp_path)).verdict in (judgements.REPRODUCED, judgements.DIFFERS)


@pytest.mark.slow
def test_benchmark_of_growth(tmp_path, monkeypatch, capsys):
    """The sizes are few and the rounds short. The run that measures memory is left out."""
    monkeypatch.setattr(scale, "memory", lambda iterations: [(0.0, 800.0), (0.5, 900.0), (1.0, 910.0)])
    monkeypatch.setattr(sys, "argv", ["scale", "--share", "0.001", "--largest", "0.01", "--out", str(tmp_path)])
    assert scale.main() == 0
    said = capsys.readouterr().out
    assert "iterations/s by images in a batch: 64: " in said
    assert "memory in the second half of the run: 900 to 910 MiB" in said
    assert (tmp_path / "scale.png").stat().st_size > 10_000


def test_benchmark_of_the_whole_reproduction(monkeypatch, capsys):
    """Runs the same jobs twice, first each on one core, then each on all cores. The trainings themselves are replaced."""
    asked = []
    monkeypatch.setattr(reproduction.pool, "run", lambda jobs, on: asked.append((jobs, on)) or {})
    monkeypatch.setattr(reproduction.pool, "cores", lambda _: [{0}, {1}])
    monkeypatch.setattr(sys, "argv", ["reproduction", "--names", "autoencoder", "--seeds", "2", "--iterations", "6"])
    reproduction.main()
    (jobs, cores), (again, together) = asked
    assert (cores, together) == ([{0}, {1}], [{0, 1}])
    for one in (jobs, again):
        assert [(job.name, job.seed, job.iterations) for job in one] == [("autoencoder", 0, 6), ("autoencoder", 1, 6)]
    assert all(job.words[-1] == "--max_iterations=6" for job in (*jobs, *again))
    said = capsys.readouterr().out
    assert "2 runs of 6 iterations (autoencoder)" in said
    assert "ratio of the times: " in said


def test_invalid_benchmark_is_refused(tmp_path):
    run = benchmark("--rounds", "0", "--out", str(tmp_path / "speed"))
    assert run.returncode == 2
    assert "--rounds must be at least 1" in run.stderr
    assert not (tmp_path / "speed").exists()
