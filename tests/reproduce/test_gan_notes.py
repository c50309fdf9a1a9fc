"""The experiment on the author's GAN notes: measures, verdicts, and the report."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unsupervised_learning.errors import RunError
from unsupervised_learning.monitoring import event_files
from unsupervised_learning.reproduce import gan_measures, gan_notes, gan_report, gan_verdicts
from unsupervised_learning.reproduce.gan_verdicts import Result
from unsupervised_learning.reproduce.jobs import Job
from unsupervised_learning.training import finished_run, nonfinite

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
    late = gan_measures.course_measures(course([math.nan] * 20 + [1.0] * 20), 400)
    assert "early_discriminator_loss" not in late  # as if the first event file had been deleted
    assert late["discriminator_loss"] == 1
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
    assert gan_verdicts.verdict(dict(enumerate(favoured)), dict(enumerate(other)), wanted=1) == said


def test_only_seeds_of_both_settings_count():
    assert gan_verdicts.verdict({0: 1, 1: 9}, {0: 2, 2: 3}, wanted=1) == "holds (1 of 1)"  # not 9 against 3
    few = gan_verdicts.verdict({0: 1, 1: 9}, {0: 2, 2: 3}, wanted=2)
    assert few == "holds (1 of 1); preliminary: too few or too short runs"
    assert gan_verdicts.verdict({1: 9}, {2: 3}, wanted=2) == "not decided: some of its runs are missing"


def result(setting: str, seed: int, frechet: float, early: float = 1.0, failure: str = "") -> Result:
    losses = course([early, 1.4, early])
    numbers = {"early_discriminator_loss": early, "discriminator_loss": 1.0, "near_zero_share": 0.25}
    if not failure:
        numbers |= {"frechet": frechet, "frechet_batch_statistics": frechet, "coverage": 0.9}
    samples = None if failure else np.full((12, 784), 0.5)
    return Result(setting, seed, f"python train_gan.py --seed={seed}", failure, "finite" in failure, numbers, losses, samples)


def test_sign_of_failure():
    low_is_bad = [result("xavier", seed, frechet=10 - seed, early=seed) for seed in range(5)]
    assert gan_verdicts.sign_of_failure(low_is_bad)[0] == "holds (rank correlation -1.0000, n = 5)"
    low_is_good = [result("xavier", seed, frechet=seed, early=seed) for seed in range(5)]
    assert gan_verdicts.sign_of_failure(low_is_good)[0].startswith("the opposite holds")
    mixed = [result("xavier", i, frechet=f, early=i) for i, f in enumerate([3, 1, 4, 2, 3.5])]
    assert gan_verdicts.sign_of_failure(mixed)[0].startswith("undecided")
    twins = [result("bn_decay_0.5", seed, 0.0) for seed in range(9)]  # they have the baseline's losses, so they add no evidence
    assert gan_verdicts.sign_of_failure(low_is_bad[:4] + twins)[0].startswith("not decided: fewer than 5 runs")
    diverged = result("stddev_0.2", 0, 0, early=-1, failure="the losses are not finite")
    said, used = gan_verdicts.sign_of_failure([*low_is_bad, diverged])
    assert said == "holds (rank correlation -1.0000, n = 6)"
    assert diverged in used
    of_late = result("xavier", 9, 1.0)
    del of_late.numbers["early_discriminator_loss"]
    said, used = gan_verdicts.sign_of_failure([*low_is_bad, of_late])
    assert said == "holds (rank correlation -1.0000, n = 5)"
    assert of_late not in used


def test_notes_name_settings():
    assert {name for note in gan_verdicts.NOTES for name in (note.favoured, note.other)} == set(gan_verdicts.SETTINGS)


FACTS = {
    **{"data": "mnist (idx files)", "iterations": 550, "batch_size": 64, "seeds": 2, "samples": 2_000},
    **{"reference": 2_000, "components": 64, "frechet_of_real_images": 0.5, "classifier_accuracy": 0.975},
}


def test_report_and_figure():
    results = [result("baseline", seed, 10 + seed) for seed in range(2)] + [result("bn_decay_0.5", 0, 12)]
    results += [result("xavier", seed, 20 + seed) for seed in range(2)]
    results += [result("stddev_0.2", seed, 0, failure="exit status 2: losses not finite") for seed in range(2)]
    claims = gan_verdicts.judge(results, wanted=2)
    told = gan_report.report(results, claims, FACTS)
    assert "| Small initial weights: stddev 0.02, not Xavier | `baseline` < `xavier` | holds (2 of 2) |" in told
    assert "| Small initial weights: stddev 0.02, not 0.2 | `baseline` < `stddev_0.2` | holds (2 of 2) |" in told
    assert "| A homogeneous data set | – | not tested at this size: " in told
    assert "| `xavier` | 2 | 20.50 ± 0.71 | 20.50 ± 0.71 | 0.90 ± 0.00 | 1.00 ± 0.00 | 0.25 ± 0.00 | –, – |" in told
    assert "| `stddev_0.2` | 0 | – | – | – | – | – |" in told
    assert "**Failed:** `stddev_0.2`, seed 1: exit status 2: losses not finite" in told
    assert "bit for bit in 1 of 1 runs" in told
    assert told.count("preliminary") == 2  # this one, and the sign of failure, about which other settings say something too
    assert "| `baseline` < `bn_decay_0.5` | holds (1 of 1); preliminary: too few or too short runs |" in told  # only one seed
    few = [said for *_, said in gan_verdicts.judge(results, wanted=3)[:-1]]
    assert all("preliminary" in said or "runs are missing" in said for said in few)
    assert sum("preliminary" in said for said in few) == 4  # three settings beside the baseline, and the sign of failure
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
    """`measure()` measures a job with replaced model and samples; its loss is 1.5, then 1.3."""
    job = Job("gan_notes_xavier", 1, tmp_path / "run", ("train_gan.py", "--initializer=xavier"), 7, "mnist")
    job.folder.mkdir()
    yardstick: Any = SimpleNamespace(measure=lambda samples, batch_samples: {"frechet": 1.0})
    monkeypatch.setattr(finished_run, "saved_model", lambda path, build: None)
    monkeypatch.setattr(gan_notes, "sample", lambda *_, **__: np.zeros((20, 784)))
    monkeypatch.setattr(event_files, "scalars_logged", lambda folder, tag: {0: 1.5, 10: 1.3})
    return SimpleNamespace(job=job, measure=lambda failure="": gan_notes.measure(job, failure, yardstick, 20))


def test_a_finished_run_is_measured(stage):
    found = stage.measure()
    assert (found.setting, found.seed, found.command) == ("xavier", 1, "python train_gan.py --initializer=xavier")
    assert found.score == 1.0
    assert found.samples.shape == (12, 784)
    assert found.numbers["discriminator_loss"] == pytest.approx(1.4)


def test_a_diverged_run_has_an_infinite_score(stage):
    (stage.job.folder / nonfinite.RECORD).write_text("{}")
    found = stage.measure("exit status 2: the losses are not finite")
    assert found.score == math.inf
    assert found.numbers["discriminator_loss"] == pytest.approx(1.4)  # from the loss before it diverged
    assert found.samples is None


def test_a_run_that_diverged_in_an_earlier_command_is_seen(stage):
    assert gan_notes.divergence(stage.job) == ""
    nonfinite.on_record(stage.job.folder, RunError("the losses are not finite"))
    assert gan_notes.divergence(stage.job) == "the losses are not finite"


def test_a_run_that_fails_for_another_reason_has_no_score(stage, monkeypatch):
    assert math.isnan(stage.measure("exit status 2: a full disk").score)
    monkeypatch.undo()
    found = stage.measure()
    assert "model.keras" in found.failure
    assert math.isnan(found.score)


def test_non_finite_samples_give_an_infinite_score(stage, monkeypatch):
    monkeypatch.setattr(gan_notes, "sample", lambda *_, **__: np.full((20, 784), np.nan))
    assert stage.measure().score == math.inf
