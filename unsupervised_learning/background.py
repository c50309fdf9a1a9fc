"""A second thread that writes files while training goes on.

What it is given must no longer change: numbers taken from the weights, not the weights. Whatever needs the model is computed
before, by the thread that trains, as oneDNN's operations side by side do not always round alike.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

AT_MOST = 20  # tasks that wait: what they hold stays in memory


class Background:
    """Does one task after the other, in the order given; a later call raises a task's error, `finish` at the latest."""

    def __init__(self):
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self.given: deque[Future] = deque()

    def do(self, task: Callable[..., Any], *arguments: Any) -> None:
        """Have a task done soon; wait only where too many are waiting already."""
        while self.given and (self.given[0].done() or len(self.given) >= AT_MOST):
            self.given.popleft().result()
        self.given.append(self.thread.submit(task, *arguments))

    def finish(self) -> None:
        """Wait until everything given is done."""
        while self.given:
            self.given.popleft().result()

    def __enter__(self):
        """Begin; at the end everything is done, or its error raised unless another is on its way."""
        return self

    def __exit__(self, error, *_):
        """Let the thread end."""
        self.thread.shutdown()
        if error is None:
            self.finish()
