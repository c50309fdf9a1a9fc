"""The figure that all plots return, and its PNG."""

import io

import matplotlib.figure


class Figure(matplotlib.figure.Figure):
    """A figure that a notebook shows when it is a cell's value. Without pyplot, so it is not shown a second time."""

    def _repr_png_(self) -> bytes:
        return figure_png(self)


def figure_png(figure: matplotlib.figure.Figure) -> bytes:
    """Encode a figure as PNG."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()
