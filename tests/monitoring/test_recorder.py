"""recorder.py: what a long run keeps in memory."""

import gc
import weakref
from types import SimpleNamespace

from unsupervised_learning.figures.figure import Figure
from unsupervised_learning.monitoring import recorder
from unsupervised_learning.monitoring.recorder import FIGURES_KEPT, Recorder


def test_drawn_figures_are_freed(tmp_path):
    """A figure refers to itself. With TensorFlow's many objects, Python's collector runs only after hundreds of figures."""
    kept, most = [], 0

    def draw():
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1])
        kept.append(weakref.ref(figure))
        return figure

    of_run = Recorder(tmp_path, *[SimpleNamespace()] * 4)  # type: ignore[reportArgumentType]
    gc.disable()
    try:
        for _ in range(3 * FIGURES_KEPT):
            assert of_run.drawn(draw).dtype == "uint8"
            most = max(most, sum(one() is not None for one in kept))
    finally:
        gc.enable()
    assert most == FIGURES_KEPT - 1
    assert recorder.FIGURES_KEPT <= 20  # 60 MiB
