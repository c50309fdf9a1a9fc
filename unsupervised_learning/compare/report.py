"""Builds the tables and the page body of the report."""

import html
from collections import Counter

from unsupervised_learning.compare import chart, claims, judgements, page
from unsupervised_learning.compare.page import Exhibit
from unsupervised_learning.compare.story import ESTABLISHED, SECTIONS
from unsupervised_learning.evaluation import statistics
from unsupervised_learning.reproduce.experiments import Runs

TITLE = "A preliminary on generative modeling: 2016 and today"
AUTHORS_LOGS = (
    "https://github.com/shekkizh/neuralnetworks.thought-experiments, folder “Generative Models”, and "
    "https://github.com/shekkizh/TensorflowProjects, folder “logs/MNIST_logs”"
)


Found = list[tuple[judgements.Claim, judgements.Judgement]]
CLAIMS_HEAD = ("claim", "2016", "ours", "the author's graph, trained today", "verdict", "how it is measured", "command")
RUNS_HEAD = ("experiment", "seed", "iterations", "training time, s", "folder")


def judge(runs: Runs) -> Found:
    """Judge every claim."""
    return [(claim, claim.find(runs)) for claim in claims.CLAIMS]


def claim_rows(found: Found) -> list[tuple[str, ...]]:
    """The rows of the claims table."""
    rows = []
    for claim, finding in found:
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


WITH_ORIGINALS = """\
git clone https://github.com/shekkizh/neuralnetworks.thought-experiments author/post
git clone https://github.com/shekkizh/TensorflowProjects author/code
python -m unsupervised_learning.compare --original_logs=author"""
UNFINISHED = (
    "These runs are in --logs_dir and no claim uses them. Each stands beside a finished run of that model: the loss, the "
    "numbers on the test set and the images from random z, if there are any. The settings may differ as well as the length."
)
OUTCOMES = (
    "In the first VAE a head that is negative for every image is zero, and its own weights get no gradient through the relu. A "
    "few come back, because the layers before go on training. Which heads live at the end determines the ELBO. The author's "
    "graph, trained today from its own initialisers (“original train”), has the same few outcomes."
)
RULE = (
    "“Matches 2016” means two things. 2016's number could be one of ours: it lies in the prediction interval for one more run. "
    "And our runs are not shown to differ from the author's graph, trained today from its own initialisers, by more than a "
    "margin: the confidence interval of the difference (Welch) does not lie wholly outside it. The margin is "
    f"{judgements.MARGINS['test_l2']} for L2, "
    f"{judgements.MARGINS['knn_accuracy']} for kNN and {judgements.MARGINS['negative_elbo']} nats for −ELBO. For each of "
    f"the two, all intervals together hold at 95 % (Bonferroni, {judgements.TESTS} comparisons); p values are not corrected. "
    f"These two questions get no verdict from fewer than {statistics.FEWEST} runs. Other claims have rules of their own, and "
    "say on how many runs they rest."
)


def body(found: Found, shown: list[Exhibit], unfinished: list[Exhibit], runs: Runs) -> str:
    """The body of the HTML page: the post's story with its figures, then the claims, then how they were established."""
    rows, by_name = claim_rows(found), {exhibit.name: exhibit for exhibit in shown}
    numbered = {claim.text: (number, claim, finding) for number, (claim, finding) in enumerate(found, start=1)}
    parts = [
        (
            *(one.anchor, one.title, *map(paragraph, one.paragraphs), answers([numbered[text] for text in one.claims])),
            *(page.html_exhibit(by_name[name]) for name in one.exhibits),
        )
        for one in SECTIONS
    ]
    if unfinished:
        parts.append(
            (
                "unfinished",
                "Yours, unfinished or with other settings",
                paragraph(UNFINISHED),
                *map(page.html_exhibit, unfinished),
            )
        )
    without = "".join(f"<li><code>{html.escape(name)}</code>: {html.escape(why)}</li>" for name, why in runs.left_out.items())
    compared = chart.chart(found)
    parts += [
        ("claims", "The claims", paragraph(f"{len(rows)} claims: {verdicts(rows)}."), compared, claims_table(found)),
        (
            "outcomes",
            "The first VAE's outcomes",
            paragraph(OUTCOMES),
            scrolled(judgements.OUTCOMES_HEAD, judgements.outcomes(runs)),
        ),
        ("established", "How it was established", *map(paragraph, ESTABLISHED), paragraph(RULE)),
        (
            "runs",
            "The runs",
            scrolled(RUNS_HEAD, run_rows(runs)),
            f"<p>Left out:</p><ul>{without}</ul>" if without else "",
            paragraph(
                f"2016's numbers were measured on the author's checkpoints, dumps and event files ({AUTHORS_LOGS}). The "
                "pictures of 2016 are the author's."
            ),
        ),
    ]
    contents = "".join(f'<li><a href="#{anchor}">{html.escape(name)}</a></li>' for anchor, name, *_ in parts)
    intro = (
        "Sarath Shekkizhar's post of 2016 and its TensorFlow 0.x code, told again with the same experiments in Keras 3. "
        "Click a figure to enlarge it, and again to close it."
    )
    sections = (f'<h2 id="{anchor}">{html.escape(name)}</h2>{"".join(inside)}' for anchor, name, *inside in parts)
    to_clone = ""
    if any(pane.missing == page.NO_ORIGINALS for exhibit in shown for pane in exhibit.panes):
        intro += " 2016's pictures are the author's, and missing here. To see them beside ours, clone his files first:"
        to_clone = f"<pre>{html.escape(WITH_ORIGINALS)}</pre>"
    return f"{paragraph(intro)}{to_clone}<nav><ul>{contents}</ul></nav>{''.join(sections)}"


def answers(numbered: list[tuple[int, judgements.Claim, judgements.Judgement]]) -> str:
    """What the claims of a section found, each with a link to its row in the table of claims."""
    lines = [
        f'<li><a href="#claim-{number}">{html.escape(claim.text)}</a>. 2016: {html.escape(claim.original)}. Ours: '
        f'{html.escape(finding.ours)}. <span class="{finding.verdict.split()[0]}">{finding.verdict}</span></li>'
        for number, claim, finding in numbered
    ]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def claims_table(found: Found) -> str:
    """The claims, with how each is measured and the commands behind a click."""
    rows = [row[: len(CLAIMS_HEAD) - 2] for row in claim_rows(found)]
    notes = tuple(
        f"<details><summary>how</summary><p>{html.escape(claim.how)}; reproduced if {html.escape(claim.expected)}</p>"
        f"<p>{page.commands(claim.command)}</p></details>"
        for claim, _ in found
    )
    return f'<div class="claims">{page.html_table(CLAIMS_HEAD[:-2], rows, "claim", notes)}</div>'


def paragraph(text: str) -> str:
    """Plain text as an HTML paragraph."""
    return f"<p>{html.escape(text)}</p>"


def scrolled(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in a box that scrolls sideways where the window is narrow."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="table">{page.html_table(head, rows)}</div>'
