"""Draws every comparison with a published number as one row of dots and marks, in SVG that keeps its text size at any width."""

import html
from collections.abc import Iterable

import numpy as np

from unsupervised_learning.compare.judgements import TESTS, Claim, Comparison, Judgement
from unsupervised_learning.evaluation import statistics

OURS, GRAPH, PUBLISHED = "#1f5fbf", "#a85800", "#1b1b1b"
KEY = (
    f'<p class="key"><span style="color:{OURS}">● our runs; bar: interval for one more run; tick: mean</span> '
    f'<span style="color:{GRAPH}">● the author’s graph, trained today</span> '
    f'<span style="color:{PUBLISHED}">◆ published in 2016</span></p>'
)


def chart(found: Iterable[tuple[Claim, Judgement]]) -> str:
    """HTML with a row for each comparison, each with its own scale; empty if nothing is compared."""
    rows = [strip(claim.text, compared) for claim, judgement in found for compared in judgement.compared]
    return KEY + "".join(rows) if rows else ""


def strip(text: str, compared: Comparison) -> str:
    """One row: positions are percentages of the width, so that dots stay round and text keeps its size."""
    published, ours, graph, form, name = compared
    text = f"{text}: {name}" if name else text
    values = [published, *ours, *graph]
    interval = statistics.predicted(ours, published, TESTS) if len(ours) >= statistics.FEWEST else None
    if interval:
        values += [interval.low, interval.high]
    low, high = min(values), max(values)

    def x(value: float) -> str:
        return f"{3 + 94 * (value - low) / (high - low) if high > low else 50:.2f}%"

    marks = []
    if interval:
        marks.append(f'<line x1="{x(interval.low)}" x2="{x(interval.high)}" y1="14" y2="14" stroke="{OURS}" stroke-width="3"/>')
    marks += [f'<circle cx="{x(one)}" cy="14" r="4.5" fill="{OURS}" fill-opacity=".55"/>' for one in ours]
    if len(ours):
        mean = x(float(np.mean(ours)))
        marks.append(f'<line x1="{mean}" x2="{mean}" y1="4" y2="24" stroke="{OURS}" stroke-width="2"/>')
    marks += [f'<circle cx="{x(one)}" cy="34" r="4.5" fill="{GRAPH}" fill-opacity=".55"/>' for one in graph]
    marks.append(f'<line x1="{x(published)}" x2="{x(published)}" y1="2" y2="42" stroke="{PUBLISHED}" stroke-dasharray="2 3"/>')
    marks.append(f'<text x="{x(published)}" y="29" text-anchor="middle" font-size="15" fill="{PUBLISHED}">◆</text>')
    marks.append(f'<text x="0" y="60">{low:.4g}</text><text x="100%" y="60" text-anchor="end">{high:.4g}</text>')
    label = f"{text}: {published:g} in 2016; ours {statistics.mean_sd(ours, form)}"
    label += f"; the author’s graph {statistics.mean_sd(graph, form)}" if len(graph) else ""
    picture = f'<svg class="strip" role="img" aria-label="{html.escape(label)}">{"".join(marks)}</svg>'
    return f"<p class=row><strong>{html.escape(text)}</strong> <span class=muted>2016: {published:g}</span></p>{picture}"
