"""A background thread that writes files while training continues.

Pass it only immutable data: tensors read from the weights, never the weights themselves. Everything that needs the model is
computed on the training thread, because oneDNN operations that run concurrently do not always round the same way.
"""

import os
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

MAX_PENDING = 20  # submitted tasks that are not done: their data stay in memory
NICENESS = 10  # a tenth of the normal scheduling weight: the thread still makes progress on a busy machine


class Background:
    """Runs tasks one at a time, in order. A task's error is raised by a later call, at the latest by `finish`.

    Tasks are held back until `begin`, called just before the training thread leaves Python for a long time. Two threads that
    both run Python slow each other down.
    """

    def __init__(self):
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="writer", initializer=lower_priority)
        self.waiting: list[Callable[[], Any]] = []
        self.given: deque[Future] = deque()

    def do(self, task: Callable[..., Any], *arguments: Any) -> None:
        """Queue a task to run after the next `begin`."""
        self.waiting.append(partial(task, *arguments))

    def begin(self) -> None:
        """Start the queued tasks. Blocks only while too many are pending."""
        for task in self.waiting:
            while self.given and (self.given[0].done() or len(self.given) >= MAX_PENDING):
                self.given.popleft().result()
            self.given.append(self.thread.submit(task))
        self.waiting = []

    def finish(self) -> None:
        """Run all queued tasks and wait until they are done."""
        self.begin()
        while self.given:
            self.given.popleft().result()

    def __enter__(self):
        """Return self."""
        return self

    def __exit__(self, error, *_):
        """Finish and stop the thread. While another error propagates, tasks queued since the last `begin` are dropped."""
        try:
            if error is None:
                self.finish()
        finally:
            self.thread.shutdown()


def lower_priority() -> None:
    """Lower the priority of the calling thread on Linux, where each thread has its own, so that it runs mostly on idle cores.

    The compiled loop uses all cores, and its threads wait for each other: if one loses its core, all are delayed.
    """
    if sys.platform == "linux":
        os.nice(NICENESS)
