"""The experiment on the author's GAN notes: measures, verdicts, runs, and the whole of it at a tiny size."""

import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support import start
from unsupervised_learning.monitoring import event_files
from unsupervised_learning.reproduce import gan_measures, gan_notes, gan_report, gan_verdicts
from unsupervised_learning.reproduce.gan_verdicts import Result
from unsupervised_learning.training import finished_run, nonfinite

SCRIPT = "unsupervised_learning/reproduce/__main__.py"


# Measures


def test_coverage():
    assert gan_measures.coverage(np.repeat(np.arange(10), 7)) == pytest.approx(1)
    assert gan_measures.coverage(np.full(50, 3)) == 0
    assert gan_measures.coverage(np.array([0, 9])) == pytest.approx(math.log(2) / math.log(10))


def course(losses) -> np.ndarray:
    return np.column_stack([np.arange(0, 10 * len(losses), 10), losses])


def test_course_measures():
    losses = [2.0] * 10 + [0.05] * 10 + [0.5] + [0.01] * 11 + [1.0] * 8  # near zero for 90 iterations, then for 100
    found = gan_measures.course_measures(course(losses), 400)
    assert found["near_zero_from"] == 210
    assert found["near_zero_share"] == pytest.approx(21 / 40)
    assert found["discriminator_loss"] == pytest.approx((8 * 1.0 + 2 * 0.01) / 10)
    assert found["early_discriminator_loss"] == pytest.approx((10 * 2.0 + 0.05) / 11)  # iterations 0 … 100
    assert "near_zero_from" not in gan_measures.course_measures(course(losses[:21]), 400)
    assert gan_measures.course_measures(course([0.05] * 10), 400)["near_zero_share"] == 1
    assert gan_measures.course_measures(course([1.0, math.nan]), 400)["discriminator_loss"] == 1
    assert gan_measures.course_measures(course([math.nan]), 400) == gan_measures.course_measures(course([]), 400) == {}


# Verdicts


@pytest.mark.parametrize(
    ("favoured", "other", "said"),
    [
        ([1, 2, 3], [2, 3, 4], "holds (3 of 3)"),
        ([2, 3, 4], [1, 2, 3], "the opposite holds (0 of 3)"),
        ([1, 2, 3], [2, 3, 1], "undecided at this size (2 of 3)"),
        ([1, 1], [1, 1], "undecided at this size (0 of 2)"),
        ([1, 2], [math.inf, 3], "holds (2 of 2)"),  # diverged
        ([math.inf], [math.inf], "undecided at this size (0 of 1)"),
        ([1, math.nan], [2, 3], "not decided: some of its runs are missing"),
        ([], [], "not decided: some of its runs are missing"),
        ([1], [], "not decided: some of its runs are missing"),
    ],
)
def test_verdict(favoured, other, said):
    assert gan_verdicts.verdict(favoured, other) == said


def result(setting: str, seed: int, frechet: float, early: float = 1.0, failure: str = "") -> Result:
    losses = course([early, 1.4, early])
    numbers = {"early_discriminator_loss": early, "discriminator_loss": 1.0, "near_zero_share": 0.25}
    if not failure:
        numbers |= {"frechet": frechet, "frechet_batch_statistics": frechet, "coverage": 0.9}
    samples = None if failure else np.full((12, 784), 0.5)
    return Result(setting, seed, f"python train_gan.py --seed={seed}", failure, "finite" in failure, numbers, losses, samples)


def test_sign_of_failure():
    low_is_bad = [result("xavier", seed, frechet=10 - seed, early=seed) for seed in range(5)]
    assert gan_verdicts.sign_of_failure(low_is_bad)[0] == "holds (rank correlation -1.00, n = 5)"
    low_is_good = [result("xavier", seed, frechet=seed, early=seed) for seed in range(5)]
    assert gan_verdicts.sign_of_failure(low_is_good)[0].startswith("the opposite holds")
    mixed = [result("xavier", i, frechet=f, early=i) for i, f in enumerate([3, 1, 4, 2, 3.5])]
    assert gan_verdicts.sign_of_failure(mixed)[0].startswith("undecided")
    twins = [result("bn_decay_0.5", seed, 0.0) for seed in range(9)]  # they have the baseline's losses, so they add no evidence
    assert gan_verdicts.sign_of_failure(low_is_bad[:4] + twins)[0].startswith("not decided: fewer than 5 runs")
    diverged = result("stddev_0.2", 0, 0, early=-1, failure="the losses are not finite")
    said, used = gan_verdicts.sign_of_failure([*low_is_bad, diverged])
    assert said == "holds (rank correlation -1.00, n = 6)"
    assert diverged in used


def test_notes_name_settings():
    assert {name for note in gan_verdicts.NOTES for name in (note.favoured, note.other)} == set(gan_verdicts.SETTINGS)


FACTS = {
    **{"data": "mnist (idx files)", "iterations": 550, "batch_size": 64, "seeds": 2, "reference": 2_000, "components": 64},
    **{"frechet_of_real_images": 0.5, "classifier_accuracy": 0.975},
}


def test_report_and_figure():
    results = [result("baseline", seed, 10 + seed) for seed in range(2)] + [result("bn_decay_0.5", 0, 12)]
    results += [result("xavier", seed, 20 + seed) for seed in range(2)]
    results += [result("stddev_0.2", seed, 0, failure="exit status 2: losses not finite") for seed in range(2)]
    claims = gan_verdicts.judge(results, preliminary=False)
    told = gan_report.report(results, claims, FACTS)
    assert "| Small initial weights: stddev 0.02, not Xavier | `baseline` < `xavier` | holds (2 of 2) |" in told
    assert "| Small initial weights: stddev 0.02, not 0.2 | `baseline` < `stddev_0.2` | holds (2 of 2) |" in told
    assert "| A homogeneous data set | – | not tested at this size: " in told
    assert "| `xavier` | 2 | 20.50 ± 0.71 | 20.50 ± 0.71 | 0.90 ± 0.00 | 1.00 ± 0.00 | 0.25 ± 0.00 | –, – |" in told
    assert "| `stddev_0.2` | 0 | – | – | – |" in told
    assert "**Failed:** `stddev_0.2`, seed 1: exit status 2: losses not finite" in told
    assert "bit for bit in 1 of 1 runs" in told
    assert "preliminary" not in told
    assert all("preliminary" in claim[2] for claim in gan_verdicts.judge(results, preliminary=True)[:-1])
    figure = gan_report.draw(results)
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.get_ylabel() == "D loss"]
    assert len(panels) == 4  # settings
    assert [len(axes.lines) for axes in panels] == [3, 3, 3, 2]  # seeds, and equilibrium
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert "xavier   Fréchet 20.50 ± 0.71" in titles


def test_figure_without_any_successful_run():
    gan_report.draw([Result("xavier", 0, "", failure="exit status 1: x")]).canvas.draw()


# Runs


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """Call `do` with faked processes, models and files: `calls` records started commands; the next exits with `status`."""
    stage = SimpleNamespace(calls=[], status=0, says="", diverged=False, iterations=7, logs_dir=tmp_path)

    class Process:
        def __init__(self, command, stdout, **_):
            stage.calls.append(command)
            folder = tmp_path / "xavier_seed1"
            folder.mkdir(exist_ok=True)
            stdout.write(stage.says)
            if stage.diverged:
                (folder / nonfinite.RECORD).write_text("{}")
            if stage.status == 0:
                (folder / "results.json").write_text(json.dumps({"iterations": stage.iterations}))
                config = {"model": "DCGAN", "settings": {}, "data": {"name": "", "source": "", "checksum": ""}}
                recorded = " ".join(["python", *command[1:]])
                (folder / "config.json").write_text(json.dumps({**config, "command": recorded}))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self):
            return stage.status

    def do() -> Result:
        yardstick: Any = SimpleNamespace(measure=lambda samples, batch_samples: {"frechet": 1.0})
        return gan_notes.do("xavier", 1, tmp_path, ["--dataset=mnist"], 7, 8, yardstick)

    monkeypatch.setattr(gan_notes.subprocess, "Popen", Process)
    monkeypatch.setattr(finished_run, "saved_model", lambda path, build: None)
    monkeypatch.setattr(gan_notes, "sample", lambda *_, **__: np.zeros((20, 784)))
    monkeypatch.setattr(event_files, "scalars_logged", lambda folder, tag: {0: 1.5, 10: 1.3})
    stage.do = do
    return stage


def test_a_run_is_one_command_and_is_not_repeated_once_finished(stage):
    first = stage.do()
    assert first.score == 1.0
    assert first.samples.shape == (12, 784)
    assert first.numbers["discriminator_loss"] == pytest.approx(1.4)
    assert len(stage.calls) == 1
    assert stage.calls[0][1].endswith("train_gan.py")
    expected = [
        "--dataset=mnist",
        "--batch_size=8",
        "--seed=1",
        "--max_iterations=7",
        f"--logs_dir={stage.logs_dir}/xavier_seed1",
    ]
    assert stage.calls[0][2:] == [*expected, "--initializer=xavier"]
    again = stage.do()
    assert len(stage.calls) == 1
    assert (again.command, again.numbers) == (first.command, first.numbers)


def test_a_run_of_another_size_or_command_is_repeated(stage):
    stage.do()
    for path, name, value in (("results.json", "iterations", 5), ("config.json", "command", "python train_gan.py")):
        file = stage.logs_dir / "xavier_seed1" / path
        file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
        before = len(stage.calls)
        stage.do()
        assert len(stage.calls) == before + 1


def test_a_diverged_run_has_an_infinite_score(stage):
    stage.status, stage.diverged, stage.says = (
        2,
        True,
        "GAN 3/7 …\ntrain_gan.py: error: the losses generator_loss are not finite before iteration 3\n",
    )
    found = stage.do()
    assert found.failure.startswith("exit status 2: train_gan.py: error: the losses generator_loss are not finite")
    assert found.score == math.inf
    assert found.numbers["discriminator_loss"] == pytest.approx(1.4)  # from the loss before it diverged
    assert found.samples is None


def test_a_run_that_fails_for_another_reason_has_no_score(stage):
    stage.status, stage.says = 2, "train_gan.py: error: --init_stddev is not finite\n"  # the wording must not matter
    assert math.isnan(stage.do().score)
    stage.status, stage.says = -9, ""
    (stage.logs_dir / "xavier_seed1.txt").unlink()
    assert stage.do().failure == "exit status -9: it printed nothing"
    assert math.isnan(stage.do().score)
    stage.status, stage.iterations = 0, 20
    assert stage.do().failure == "it already has 20 iterations, more than 7"


def test_non_finite_samples_give_an_infinite_score(stage, monkeypatch):
    monkeypatch.setattr(gan_notes, "sample", lambda *_, **__: np.full((20, 784), np.nan))
    assert stage.do().score == math.inf


def test_ctrl_c_lets_the_run_save(tmp_path, monkeypatch):
    events = []

    class Process:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self):
            events.append("wait")
            if len(events) == 1:
                raise KeyboardInterrupt

        def terminate(self):
            events.append("SIGTERM")

    monkeypatch.setattr(gan_notes.subprocess, "Popen", Process)
    with pytest.raises(KeyboardInterrupt):
        gan_notes.train([], tmp_path / "log.txt")
    assert events == ["wait", "SIGTERM", "wait"]


# The command


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("--only=baseline,xaver", ["only", "xavier"]),
        ("--iterations=0", ["iterations", "0"]),
        ("--seeds=0", ["seeds"]),
        ("--dataset=cifar", ["dataset", "cifar"]),
        ("--no_such_flag=1", ["no_such_flag"]),
        ("--logs_dir=", ["logs_dir"]),
        ("--data_dir=/no/such/folder", ["/no/such/folder"]),
        ("--batch_size=5000", ["5000"]),
        ("stray", ["stray"]),
    ],
)
def test_wrong_flags_give_a_one_line_error(argument, parts, tmp_path, run_script):
    arguments = ["--dataset=digits", argument] if "dataset" not in argument and "data_dir" not in argument else [argument]
    run = run_script(SCRIPT, "gan-notes", *([] if "logs_dir" in argument else [f"--logs_dir={tmp_path / 'notes'}"]), *arguments)
    assert run.status == 2
    lines = run.err.strip().splitlines()
    assert len(lines) == 1, run.err
    assert lines[0].startswith("reproduce: error: ")
    assert all(part in lines[0] for part in parts), lines[0]
    assert not (tmp_path / "notes").exists()


def test_help(run_script):
    run = run_script(SCRIPT, "--help")
    assert run.status == 0
    for flag in ("logs_dir", "data_dir", "dataset", "iterations", "seeds", "batch_size", "only", "[no]quick"):
        assert f"--{flag}" in run.out


@pytest.mark.slow
def test_everything_at_a_tiny_size(tmp_path):
    arguments = ["--dataset=digits", "--iterations=12", "--batch_size=8", "--seeds=1", "--only=baseline,bn_decay_0.5"]
    process = start("-m", "unsupervised_learning.reproduce", "gan-notes", *arguments, f"--logs_dir={tmp_path}")
    out, err = process.communicate(timeout=280)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("1/2 baseline, seed 0: … Fréchet ")
    told = (tmp_path / "report.md").read_text()
    assert "bit for bit in 1 of 1 runs" in told  # the decay does not affect training
    assert "preliminary" in told
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((tmp_path / "results.json").read_text())
    runs = {run["setting"]: run for run in results["runs"]}
    one, other = runs["baseline"], runs["bn_decay_0.5"]
    assert one["frechet_batch_statistics"] == other["frechet_batch_statistics"]  # the same weights
    assert one["frechet"] != other["frechet"]
    assert one["frechet"] > results["frechet_of_real_images"]
    assert 0 <= one["coverage"] <= 1
    written = (tmp_path / "baseline_seed0" / "results.json").stat().st_mtime_ns
    again = start("-m", "unsupervised_learning.reproduce", "gan-notes", *arguments, f"--logs_dir={tmp_path}")
    assert again.communicate(timeout=120)[1] == ""
    assert again.returncode == 0
    assert (tmp_path / "baseline_seed0" / "results.json").stat().st_mtime_ns == written  # not run again
    assert json.loads((tmp_path / "results.json").read_text()) == results
