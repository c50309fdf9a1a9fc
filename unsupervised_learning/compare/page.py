"""Renders tables and side-by-side pictures as one self-contained HTML page, as Markdown and as PNG."""

import base64
import html
import io
from collections import defaultdict
from collections.abc import Callable
from importlib import resources
from string import Template
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from unsupervised_learning.errors import RunError

HEIGHT = 420  # of a pane in a composite picture, pixels
NO_ORIGINALS = "needs --original_logs"  # why a pane of 2016 is missing
SMALL = 128  # pixels; pictures up to this size are enlarged without blur


class Pane(NamedTuple):
    """One captioned picture of a figure: a PNG, or the reason why it is missing."""

    caption: str
    png: bytes | None
    missing: str = ""
    source: str = ""  # the run's folder or the author's file


class Exhibit(NamedTuple):
    """One figure that shows 2016's pictures beside ours; `name` is the file name without ending."""

    name: str
    title: str
    text: str
    panes: list[Pane]


def web_file(room: str, name: str) -> str:
    """The text of a file in the `web` folder of a subpackage (`room`)."""
    return resources.files("unsupervised_learning").joinpath(room, "web", name).read_text()


def filled(room: str, name: str, **parts: str) -> str:
    """Fill a template from a subpackage's `web` folder: each $name is replaced by the HTML in `parts`."""
    return Template(web_file(room, name)).substitute(parts)


def checked(caption: str, picture: Callable[[], bytes | None], missing: str = "") -> Pane:
    """A pane with the PNG that `picture` returns, or the reason if its file is missing or damaged."""
    try:
        png = picture()
        if png:
            Image.open(io.BytesIO(png)).verify()
    except UnidentifiedImageError:
        return Pane(caption, None, "the file is not a picture")
    except (OSError, SyntaxError, RunError) as error:  # Pillow raises SyntaxError for a damaged PNG
        return Pane(caption, None, str(error))
    return Pane(caption, png, "" if png else missing)


def composite(exhibit: Exhibit) -> bytes | None:
    """The available panes side by side as one PNG, with captions above; None if no pane has a picture."""
    shown = [(pane.caption, Image.open(io.BytesIO(pane.png)).convert("RGB")) for pane in exhibit.panes if pane.png]
    if not shown:
        return None
    font = ImageFont.load_default(size=18)
    tiles = []
    for caption, picture in shown:
        height = HEIGHT if picture.height > SMALL else HEIGHT // 3
        smoothing = Image.Resampling.LANCZOS if picture.height > SMALL else Image.Resampling.NEAREST
        picture = picture.resize((round(picture.width * height / picture.height), height), smoothing)
        tile = Image.new("RGB", (max(picture.width, round(font.getlength(caption))), HEIGHT + 30), "white")
        ImageDraw.Draw(tile).text((0, 4), caption, fill="black", font=font)
        tile.paste(picture, (0, 30))
        tiles.append(tile)
    whole = Image.new("RGB", (sum(tile.width + 16 for tile in tiles) - 16, HEIGHT + 30), "white")
    left = 0
    for tile in tiles:
        whole.paste(tile, (left, 0))
        left += tile.width + 16
    png = io.BytesIO()
    whole.save(png, format="PNG")
    return png.getvalue()


def markdown_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def html_table(head: tuple[str, ...], rows: list[tuple[str, ...]], anchor: str = "", notes: tuple[str, ...] = ()) -> str:
    """A table in HTML, with coloured verdicts.

    Args:
        head: names of the columns.
        rows: cells, as text.
        anchor: row n, counted from 1, can be linked to as `<anchor>-<n>`.
        notes: HTML below each row, over all columns; none by default.
    """
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = []
        for name, cell in zip(head, row, strict=True):
            text = html.escape(cell)
            if name == "verdict":
                verdict, _, why = text.partition(": ")
                text = f'<span class="{verdict.split()[0]}">{verdict}</span>' + (f"<br>{why}" if why else "")
            cells.append(f'<td data-head="{html.escape(name)}">{text}</td>')
        target = f' id="{anchor}-{number}"' if anchor else ""
        lines.append(f"<tr{target}>{''.join(cells)}</tr>")
        if notes:
            lines.append(f'<tr class="note"><td colspan="{len(head)}">{notes[number - 1]}</td></tr>')
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def commands(text: str) -> str:
    """Commands, separated by semicolons, as code with line breaks only between words; other parts stay text."""
    parts = []
    for part in html.escape(text, quote=False).split("; "):
        words = " ".join(f"<span>{word}</span>" for word in part.split())
        parts.append(f"<code>{words}</code>" if part.startswith("python ") else part)
    return "<br>".join(parts)


def html_pane(pane: Pane, png: bytes) -> str:
    """A picture with its caption."""
    source = f" <code>{html.escape(pane.source)}</code>" if pane.source else ""
    caption = f"<figcaption>{html.escape(pane.caption)}{source}</figcaption>"
    width, height = Image.open(io.BytesIO(png)).size
    small = ' class="small"' if max(width, height) <= SMALL else ""
    data = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    image = f'<img src="{data}" width="{width}" height="{height}" alt="{html.escape(pane.caption)}" loading="lazy">'
    return f"<figure{small}><details><summary>{image}</summary></details>{caption}</figure>"


def html_exhibit(exhibit: Exhibit) -> str:
    """A figure with its title, text and pictures, and a line for each reason why some are missing."""
    panes = "".join(html_pane(pane, pane.png) for pane in exhibit.panes if pane.png)
    missing = defaultdict(list)  # reason → captions
    for pane in exhibit.panes:
        if not pane.png:
            missing[pane.missing].append(pane.caption + (f" ({pane.source})" if pane.source else ""))
    without = "".join(
        f'<p class="none">Missing: {html.escape("; ".join(captions))}: {html.escape(why)}</p>'
        for why, captions in missing.items()
    )
    title = f'<h3 id="{exhibit.name}">{html.escape(exhibit.title)}</h3>'
    return f'{title}<p>{html.escape(exhibit.text)}</p><div class="panes">{panes}</div>{without}'


def document(title: str, body: str, style: str = "") -> str:
    """A complete, self-contained HTML page from a title (text), a body (HTML) and additional CSS."""
    return filled("compare", "page.html", title=html.escape(title), style=web_file("compare", "page.css") + style, body=body)
