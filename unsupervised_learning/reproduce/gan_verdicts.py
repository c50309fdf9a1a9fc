"""What the author's notes say makes a GAN work, the settings that test it, and the verdicts."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

# A run's name → the flags in which it differs from the recipe: one, but for the start that the author took for Xavier's.
SETTINGS = {
    "baseline": "",
    "xavier": "--initializer=xavier",
    "as_committed": "--init_stddev=0.1 --init_bias=0.1",
    "stddev_0.2": "--init_stddev=0.2",
    "bn_decay_0.99": "--bn_decay=0.99",
    "bn_decay_0.5": "--bn_decay=0.5",
    "no_feature_matching": "--feature_matching=0",
    "only_feature_matching": "--feature_matching=only",
    "one_generator_step": "--generator_steps=1",
    "half_discriminator": "--discriminator_width=0.7",
}
RULES = """\
The rules, stated before the runs. A claim *holds* if the setting that the notes favour has the lower Fréchet distance with
every seed, *the opposite holds* if it has the higher one with every seed; else the claim is *undecided at this size*. By
chance alone three seeds of three agree in one case of four. A run whose losses cease to be finite counts as infinitely far.
The sign of failure: over all runs (not those of `bn_decay`, whose losses are the baseline's), Spearman's rank correlation
between the discriminator's mean loss in the first quarter and the Fréchet distance at the end; it holds at −0.5 or below, the
opposite at 0.5 or above. Runs of one setting are alike, so that this is less evidence than as many independent runs."""
NOT_TESTED = """\
not tested at this size: it is about photographs at 64×64, where a run takes hours; and a narrower set of images is also smaller
and varies less, so that distances from it are not on the scale of these"""


class Note(NamedTuple):
    """What the notes say, the setting that they favour, and the one that it is compared with."""

    text: str
    favoured: str
    other: str


NOTES = (
    Note("Small initial weights: stddev 0.02, not Xavier", "baseline", "xavier"),
    # The author's "xavier did not work": in every commit before the one that did, `weight_variable` drew with 0.1.
    Note("Small initial weights: stddev 0.02, not Xavier as committed: weights 0.1, biases 0.1", "baseline", "as_committed"),
    Note("Small initial weights: stddev 0.02, not 0.2", "baseline", "stddev_0.2"),
    Note("Batch normalization's decay 0.9, not 0.99", "baseline", "bn_decay_0.99"),
    Note("Batch normalization's decay 0.9, not 0.5", "baseline", "bn_decay_0.5"),
    Note(
        "Equal depth, and about half the weights in one network (here: in the discriminator)", "half_discriminator", "baseline"
    ),
    Note("Feature matching added to the adversarial loss, not left out", "baseline", "no_feature_matching"),
    Note("Feature matching added to the adversarial loss, not instead of it", "baseline", "only_feature_matching"),
    Note(
        "Two updates of the generator in an iteration, not one (in the code, not in the notes)",
        "baseline",
        "one_generator_step",
    ),
)


@dataclasses.dataclass
class Result:
    """What came of a run: its numbers by name, or how it failed.

    Attributes:
        setting, seed, command: of the run.
        failure: what went wrong, in a line; empty if nothing did.
        diverged: whether losses, weights or samples ceased to be finite.
        numbers: measures by name.
        course: [n, 2], an iteration, and the discriminator's loss before it, nats.
        samples: [12, 784], in [0, 1].
    """

    setting: str
    seed: int
    command: str
    failure: str = ""
    diverged: bool = False
    numbers: dict[str, Any] = dataclasses.field(default_factory=dict)
    course: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 2)))
    samples: np.ndarray | None = None

    @property
    def score(self) -> float:
        """The Fréchet distance; infinite if the run diverged, NaN if it failed otherwise."""
        if self.failure:
            return math.inf if self.diverged else math.nan
        return self.numbers["frechet"]


def verdict(favoured: Sequence[float], other: Sequence[float]) -> str:
    """Whether a claim holds, by the Fréchet distances of its two settings, seed by seed."""
    if not favoured or len(favoured) != len(other) or any(math.isnan(score) for score in (*favoured, *other)):
        return "not decided: not all of its runs are there"
    wins = sum(a < b for a, b in zip(favoured, other, strict=True))
    losses = sum(a > b for a, b in zip(favoured, other, strict=True))
    n = len(favoured)
    said = "holds" if wins == n else "the opposite holds" if losses == n else "undecided at this size"
    return f"{said} ({wins} of {n})"


def sign_of_failure(results: list[Result]) -> tuple[str, list[Result]]:
    """Whether a low loss of the discriminator early goes with bad images at the end, and the runs that say so."""
    used = [run for run in results if not (run.setting.startswith("bn_decay") or math.isnan(run.score)) and run.numbers]
    early, scores = [run.numbers["early_discriminator_loss"] for run in used], [run.score for run in used]
    if len(used) < 5 or len(set(early)) == 1 or len(set(scores)) == 1:
        return "not decided: fewer than 5 runs, or all alike", used
    rho = float(spearmanr(early, scores)[0])
    said = "holds" if rho <= -0.5 else "the opposite holds" if rho >= 0.5 else "undecided at this size"
    return f"{said} (rank correlation {rho:.2f}, n = {len(used)})", used


def judge(results: list[Result], preliminary: bool) -> list[tuple[str, str, str]]:
    """Claim, comparison and verdict of each note."""
    runs = defaultdict(list)
    for result in results:
        runs[result.setting].append(result.score)
    rows = [(c.text, f"`{c.favoured}` < `{c.other}`", verdict(runs[c.favoured], runs[c.other])) for c in NOTES]
    rows.append(("A discriminator's loss near zero early is the sign of failure", "over all runs", sign_of_failure(results)[0]))
    if preliminary:
        rows = [(claim, compared, f"{said}; not meant seriously at this small size") for claim, compared, said in rows]
    return [*rows, ("A homogeneous data set", "–", NOT_TESTED.replace("\n", " "))]
