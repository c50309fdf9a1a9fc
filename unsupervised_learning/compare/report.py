"""Builds the tables and the page body of the report."""

import html
from collections import Counter

from unsupervised_learning.compare import claims, judgements, page
from unsupervised_learning.compare.page import Exhibit
from unsupervised_learning.evaluation import statistics
from unsupervised_learning.reproduce.experiments import Runs

TITLE = "A preliminary on generative modeling: 2016 and today"
AUTHORS_LOGS = (
    "https://github.com/shekkizh/neuralnetworks.thought-experiments, folder “Generative Models”, and "
    "https://github.com/shekkizh/TensorflowProjects, folder “logs/MNIST_logs”"
)


CLAIMS_HEAD = ("claim", "2016", "ours", "the author's graph, trained today", "verdict", "how it is measured", "command")
RUNS_HEAD = ("experiment", "seed", "iterations", "training time, s", "folder")


def claim_rows(runs: Runs) -> list[tuple[str, ...]]:
    """The rows of the claims table."""
    rows = []
    for claim in claims.CLAIMS:
        finding = claim.find(runs)
        verdict = f"{finding.verdict}: {finding.why}" if finding.why else finding.verdict
        measured = f"{claim.how}; reproduced if {claim.expected}"
        rows.append((claim.text, claim.original, finding.ours, finding.graph, verdict, measured, claim.command))
    return rows


def run_rows(runs: Runs) -> list[tuple[str, ...]]:
    """The rows of the table of runs used."""
    return [
        (name, str(run.seed), f"{run.results['iterations']:,}", f"{run.results['training_seconds']:,.0f}", str(run.path))
        for name, of in runs.items()
        for run in of
    ]


def verdicts(rows: list[tuple[str, ...]]) -> str:
    """Count the claims by verdict, as text."""
    counts = Counter(row[4].partition(":")[0] for row in rows)
    differ = "differs" if counts[judgements.DIFFERS] == 1 else "differ"
    reproduced, differing, unknown = (
        counts[verdict] for verdict in (judgements.REPRODUCED, judgements.DIFFERS, judgements.CANNOT)
    )
    return f"{reproduced} reproduced, {differing} {differ}, {unknown} cannot be tested"


def markdown(rows: list[tuple[str, ...]], runs: Runs) -> str:
    """The tables as Markdown."""
    parts = [
        f"# {TITLE}",
        f"{verdicts(rows)}. Means ± standard deviations over n seeds. {RULE}",
        page.markdown_table(CLAIMS_HEAD, rows),
        "## The first VAE's outcomes",
        OUTCOMES,
        page.markdown_table(judgements.OUTCOMES_HEAD, judgements.outcomes(runs)),
        "## Runs",
        page.markdown_table(RUNS_HEAD, run_rows(runs)),
    ]
    if runs.left_out:
        parts += ["Left out:", "\n".join(f"- `{name}`: {why}" for name, why in runs.left_out.items())]
    return "\n\n".join(parts) + "\n"


OUTCOMES = (
    "In the first VAE a head that is negative for every image gets no gradient through its relu and stays at zero. The first "
    "iterations settle which heads stay alive, and that determines the ELBO. The author's graph, trained today from its own "
    "initialisers (`original train`), has the same few outcomes."
)
RULE = (
    "“Matches 2016” means two things. 2016's number is one of ours: it lies in the prediction interval for one more run. And "
    "our runs equal the author's graph, trained today from its own initialisers: the confidence interval of the difference "
    f"(Welch) does not show more than the margin, which is {judgements.MARGINS['test_l2']} for L2, "
    f"{judgements.MARGINS['knn_accuracy']} for kNN and {judgements.MARGINS['negative_elbo']} nats for −ELBO. All intervals are "
    f"at 95 % for the {judgements.TESTS} comparisons together (Bonferroni), so each is wider; p values are not corrected. "
    f"No verdict from fewer than {statistics.FEWEST} runs."
)


def body(rows: list[tuple[str, ...]], shown: list[Exhibit], runs: Runs) -> str:
    """The body of the HTML page."""
    without = "".join(f"<li><code>{html.escape(name)}</code>: {html.escape(why)}</li>" for name, why in runs.left_out.items())
    return "".join(
        [
            "<p>Sarath Shekkizhar's 2016 post and its TensorFlow 0.x code, compared with the same experiments in Keras 3. ",
            f"{len(rows)} claims: {verdicts(rows)}.</p>",
            f"<h2>Claims</h2><p class=muted>Means ± standard deviations over n seeds. {html.escape(RULE)}</p>",
            page.html_table(CLAIMS_HEAD, rows),
            f"<h2>The first VAE's outcomes</h2><p>{html.escape(OUTCOMES)}</p>",
            page.html_table(judgements.OUTCOMES_HEAD, judgements.outcomes(runs)),
            "<h2>Figures</h2>",
            *map(page.html_exhibit, shown),
            "<h2>Runs</h2>",
            page.html_table(RUNS_HEAD, run_rows(runs)),
            f"<p>Left out:</p><ul>{without}</ul>" if without else "",
            "<p class=muted>2016's numbers were measured on the author's checkpoints, dumps and event files ",
            f"({html.escape(AUTHORS_LOGS)}). The pictures of 2016 are the author's.</p>",
        ]
    )
