"""Compare the results of runs over seeds, by rules that were stated before the numbers.

- *Could the published number be one of ours?* Yes, if it lies in the prediction interval for one more run of ours.
- *Does ours equal the original?* The difference of the means gets a confidence interval. "Equal within ±margin" if the whole
  interval lies within the margin; "differs" if it excludes 0; otherwise "open": more runs would tell.
- *Are the outcomes as frequent?* Counts of outcomes are compared by Fisher's exact test.

In `compare`, each of the first two questions has 95 % confidence over the whole table: its intervals are widened for the
number of comparisons (Bonferroni). So are those of each weight in `run3`. In `original arms` each has 95 % by itself.
No interval is given for fewer than `FEWEST` runs.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

Numbers = Sequence[float] | np.ndarray
LEVEL = 0.95
FEWEST = 3
EQUAL, DIFFERS, OPEN = "equal", "differs", "open"


class Prediction(NamedTuple):
    """A published number beside our runs.

    Attributes:
        mean, deviation: mean and standard deviation of our runs.
        low, high: prediction interval for one more run.
        p: probability of a run at least as far from the mean, not corrected for several tests.
        inside: whether the published number lies in the interval.
    """

    mean: float
    deviation: float
    low: float
    high: float
    p: float
    inside: bool


class Difference(NamedTuple):
    """Mean of our runs minus mean of theirs.

    Attributes:
        mean: the difference.
        low, high: its confidence interval.
        p: of a two-sample test (not corrected for several tests), or of a one-sample test of paired differences.
        verdict: EQUAL within ±margin, DIFFERS or OPEN; an interval that excludes 0 but lies within the margin is EQUAL.
        margin: largest difference at which we call two means equal.
    """

    mean: float
    low: float
    high: float
    p: float
    verdict: str
    margin: float

    def __str__(self) -> str:
        said = f"equal within ±{self.margin:g}" if self.verdict == EQUAL else self.verdict
        if self.verdict == DIFFERS and min(abs(self.low), abs(self.high)) <= self.margin:
            said += f", perhaps by less than {self.margin:g}"
        return f"{self.mean:+.3f}, {self.low:+.3f} … {self.high:+.3f}: {said}".replace("-", "−")


def plus_minus(values: Numbers, form: str = ".3f") -> str:
    """Format mean ± standard deviation; "–" without values, without ± for a single one."""
    if not len(values):
        return "–"
    spread = f" ± {np.std(values, ddof=1):{form}}" if len(values) > 1 else ""
    return f"{np.mean(values):{form}}{spread}"


def mean_sd(values: Numbers, form: str = ".3f") -> str:
    """Format as `plus_minus`, with (n) if there are values."""
    return f"{plus_minus(values, form)} (n = {len(values)})" if len(values) else "–"


def predicted(values: Numbers, published: float, tests: int = 1) -> Prediction:
    """Return a prediction interval for one more run, from at least `FEWEST` values assumed to be normal.

    The interval is mean ± t · s · √(1 + 1/n), with the quantile t of Student's distribution with n − 1 degrees of freedom
    (Geisser 1993, "Predictive inference", chapter 2). The error is divided by the number of `tests` (Bonferroni).

    Raises:
        ValueError: too few values.
    """
    n, mean, deviation = enough(values), float(np.mean(values)), float(np.std(values, ddof=1))
    spread, distance = deviation * math.sqrt(1 + 1 / n), abs(published - mean)
    width = float(stats.t.ppf(1 - (1 - LEVEL) / 2 / tests, n - 1)) * spread
    p = 2 * float(stats.t.sf(distance / spread, n - 1)) if spread else float(distance == 0)
    return Prediction(mean, deviation, mean - width, mean + width, p, distance <= width)


def difference(ours: Numbers, theirs: Numbers, margin: float, tests: int = 1) -> Difference:
    """Compare two independent sets of runs: Welch's interval for the difference of means, and the Mann–Whitney test.

    Raises:
        ValueError: too few values in one of them.
    """
    enough(ours)
    enough(theirs)
    interval = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(1 - (1 - LEVEL) / tests)
    p = float(stats.mannwhitneyu(ours, theirs).pvalue)
    return judged(float(np.mean(ours) - np.mean(theirs)), float(interval.low), float(interval.high), p, margin)


def paired_difference(ours: Numbers, theirs: Numbers, margin: float) -> Difference:
    """Compare runs in pairs, such as runs from the same initial weights: Student's interval and test of the differences.

    Raises:
        ValueError: too few pairs.
    """
    differences = np.subtract(ours, theirs)
    enough(differences)
    test = stats.ttest_1samp(differences, 0.0)
    low, high = test.confidence_interval(LEVEL)
    return judged(float(differences.mean()), float(low), float(high), float(test.pvalue), margin)


def same_frequencies(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Return the p value of Fisher's exact test that two rows of counts, [outcomes] each, come from one distribution.

    The tables with the observed margins are sampled 100,000 times, with a fixed seed, unless there are only two outcomes.
    """
    table = np.array([[a, b] for a, b in zip(ours, theirs, strict=True) if a or b]).T
    if table.shape[-1] < 2:
        return 1.0  # a single outcome, in both
    if table.shape == (2, 2):
        return float(stats.fisher_exact(table).pvalue)
    method = stats.MonteCarloMethod(n_resamples=99_999, rng=np.random.default_rng(0))
    return float(stats.fisher_exact(table, method=method).pvalue)


def judged(mean: float, low: float, high: float, p: float, margin: float) -> Difference:
    """Apply the rule of this module to an interval."""
    within, excludes = -margin <= low and high <= margin, low > 0 or high < 0
    return Difference(mean, low, high, p, EQUAL if within else DIFFERS if excludes else OPEN, margin)


def enough(values: Numbers) -> int:
    """Return the number of values.

    Raises:
        ValueError: fewer than `FEWEST`.
    """
    if len(values) < FEWEST:
        raise ValueError(f"an interval needs at least {FEWEST} runs. Received: {len(values)}")
    return len(values)
