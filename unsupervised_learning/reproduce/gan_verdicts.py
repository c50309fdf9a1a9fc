"""The claims of the author's GAN notes, the settings that test them, and the verdicts."""

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

# Setting → what differs from the recipe: one thing each, except `as_committed`, which the author took for Xavier.
SETTINGS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "xavier": {"initializer": "xavier"},
    "as_committed": {"init_stddev": 0.1, "init_bias": 0.1},
    "stddev_0.2": {"init_stddev": 0.2},
    "bn_decay_0.99": {"bn_decay": 0.99},
    "bn_decay_0.5": {"bn_decay": 0.5},
    "no_feature_matching": {"feature_matching": "0"},
    "only_feature_matching": {"feature_matching": "only"},
    "one_generator_step": {"generator_steps": 1},
    "half_discriminator": {"discriminator_width": 0.7},
}
RULES = """\
The rules were fixed before the runs. A claim *holds* if the setting that the notes favour has the lower Fréchet distance for
every seed; *the opposite holds* if it has the higher one for every seed; otherwise the claim is *undecided at this size*. By
chance alone, n of n seeds agree in one case out of 2ⁿ⁻¹ (three: one in four). A run with non-finite losses has an infinite
distance.
The sign of failure is judged by Spearman's rank correlation between the discriminator's mean loss in the first quarter and the
final Fréchet distance, over all runs except `bn_decay`, which has the baseline's losses. It holds at −0.5 or below; the
opposite holds at 0.5 or above. Runs of one setting are similar, so this is weaker evidence than independent runs would be."""
NOT_TESTED = """\
not tested at this size: the claim is about photographs at 64×64, where a run takes hours; and a narrower set of images is also
smaller and less varied, so distances to it are on another scale"""


class Note(NamedTuple):
    """A claim of the notes, the setting that it favours, and the setting to compare with."""

    text: str
    favoured: str
    other: str


NOTES = (
    Note("Small initial weights: stddev 0.02, not Xavier", "baseline", "xavier"),
    # The author wrote "xavier did not work", but until the commit that worked, `weight_variable` always used stddev 0.1.
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
    """Outcome of a run: its measures, or how it failed.

    Attributes:
        setting, seed, command: identify the run.
        failure: one-line error message; empty if the run succeeded.
        diverged: whether losses, weights or samples became non-finite.
        numbers: measures by name.
        course: [n, 2], logged iterations and the discriminator's loss after each one's update, in nats.
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
        """Fréchet distance; infinite if the run diverged, NaN if it failed for another reason."""
        if self.failure:
            return math.inf if self.diverged else math.nan
        return self.numbers["frechet"]


PRELIMINARY = "; preliminary: too few or too short runs"


def verdict(favoured: Mapping[int, float], other: Mapping[int, float], wanted: float) -> str:
    """Judge a claim by the Fréchet distances of its two settings, seed by seed.

    Args:
        favoured: seed → distance. Only seeds of both settings count.
        other: the same of the other setting.
        wanted: number of seeds from which the verdict is final.
    """
    pairs = [(favoured[seed], other[seed]) for seed in favoured if seed in other]
    if not pairs or any(math.isnan(score) for pair in pairs for score in pair):
        return "not decided: some of its runs are missing"
    wins, losses, n = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs), len(pairs)
    said = "holds" if wins == n else "the opposite holds" if losses == n else "undecided at this size"
    return f"{said} ({wins} of {n}){PRELIMINARY if n < wanted else ''}"


def sign_of_failure(results: list[Result]) -> tuple[str, list[Result]]:
    """Judge whether a low early discriminator loss goes with bad final images; also returns the runs used."""
    used = [run for run in results if not run.setting.startswith("bn_decay") and not math.isnan(run.score)]
    used = [run for run in used if "early_discriminator_loss" in run.numbers]
    early, scores = [run.numbers["early_discriminator_loss"] for run in used], [run.score for run in used]
    if len(used) < 5 or len(set(early)) == 1 or len(set(scores)) == 1:
        return "not decided: fewer than 5 runs, or all equal", used
    rho = float(spearmanr(early, scores)[0])
    said = "holds" if rho <= -0.5 else "the opposite holds" if rho >= 0.5 else "undecided at this size"
    return f"{said} (rank correlation {rho:.4f}, n = {len(used)})", used


def judge(results: list[Result], wanted: float) -> list[tuple[str, str, str]]:
    """Return claim, comparison and verdict for each note; `wanted`: number of seeds from which a verdict is final."""
    runs: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for result in results:
        runs[result.setting][result.seed] = result.score
    rows = [(c.text, f"`{c.favoured}` < `{c.other}`", verdict(runs[c.favoured], runs[c.other], wanted)) for c in NOTES]
    sign, used = sign_of_failure(results)
    counts = Counter(run.setting for run in used)
    if any(counts[setting] < wanted for setting in SETTINGS if not setting.startswith("bn_decay")):
        sign += PRELIMINARY
    rows.append(("An early discriminator loss near zero is the sign of failure", "over all runs", sign))
    return [*rows, ("A homogeneous data set", "–", NOT_TESTED.replace("\n", " "))]
