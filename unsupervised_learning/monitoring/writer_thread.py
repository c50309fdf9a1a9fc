"""A second thread that writes files while training goes on.

What it is given must no longer change: tensors taken from the weights, which keep their values, not the weights. Whatever needs
the model is computed before, by the thread that trains, as oneDNN's operations side by side do not always round alike.
"""

import os
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

AT_MOST = 20  # tasks that wait: what they hold stays in memory
NICENESS = 10  # a tenth of the others' weight: on a busy machine it still gets on


class Background:
    """Does one task after the other, in the order given; a later call raises a task's error, `finish` at the latest.

    Tasks wait for `begin`, called when the thread that trains is about to be busy outside Python for long: while both run
    Python they hold each other up.
    """

    def __init__(self):
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="writer", initializer=give_way)
        self.waiting: list[Callable[[], Any]] = []
        self.given: deque[Future] = deque()

    def do(self, task: Callable[..., Any], *arguments: Any) -> None:
        """Have a task done after the next `begin`."""
        self.waiting.append(partial(task, *arguments))

    def begin(self) -> None:
        """Have what waits done; wait only where too much is not done yet."""
        for task in self.waiting:
            while self.given and (self.given[0].done() or len(self.given) >= AT_MOST):
                self.given.popleft().result()
            self.given.append(self.thread.submit(task))
        self.waiting = []

    def finish(self) -> None:
        """Wait until everything given is done."""
        self.begin()
        while self.given:
            self.given.popleft().result()

    def __enter__(self):
        """Nothing is to be done yet."""
        return self

    def __exit__(self, error, *_):
        """Finish, and let the thread end; with another error on its way only what has begun is done."""
        try:
            if error is None:
                self.finish()
        finally:
            self.thread.shutdown()


def give_way() -> None:
    """Have the calling thread run mostly where the others leave a core idle, on Linux, where priorities are a thread's own.

    The compiled loop is on all cores, and its threads wait for each other: one that loses its core holds up all.
    """
    if sys.platform == "linux":
        os.nice(NICENESS)
