"""Run jobs as processes, one core each, with one line that says what runs, what is done, and how much time is left."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from unsupervised_learning.reproduce.jobs import Costs, Job, duration

POLL = 0.2  # seconds
NUMBERS = ("negative_elbo", "test_l2")  # results that are printed when a run is done


class Running:
    """A job that has been started on some cores.

    Attributes:
        job: the job.
        process: its process.
        began: when it was started, in seconds of `time.monotonic`.
        seen, since: completed iterations as last seen, and since when, in seconds of `time.monotonic`.
        printed: number of bytes in the job's log at its start.
    """

    def __init__(self, job: Job, on: set[int] | None):
        self.job, self.began = job, time.monotonic()
        self.seen, self.since = job.done(), self.began
        job.folder.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # so that the last line is the error message
        if on is None:
            environment["TF_NUM_INTRAOP_THREADS"] = "1"
        self.printed = job.log.stat().st_size if job.log.exists() else 0
        with job.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("child.py")), str(os.getpid()), *job.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches only this process, which then lets the runs save
            )
        if on is not None:
            os.sched_setaffinity(self.process.pid, on)

    def share(self, seconds: float | None) -> float:
        """Return how much of the job is done, from 0 to 1: what its newest checkpoint holds, and the time since then.

        `seconds` is the expected time of the whole job; None if unknown.
        """
        done = self.job.done()
        if done != self.seen:
            self.seen, self.since = done, time.monotonic()
        more = (time.monotonic() - self.since) / seconds if seconds else 0.0
        return min(max(0.99, done / self.job.iterations), done / self.job.iterations + more)


def cores(count: int | None) -> list[set[int] | None]:
    """Return a core (a set of one) for each of `count` processes, by default one per core; None where it cannot be set."""
    if not hasattr(os, "sched_getaffinity"):
        return [None] * (count or os.cpu_count() or 1)
    there = [{core} for core in sorted(os.sched_getaffinity(0))]
    return list(itertools.islice(itertools.cycle(there), count or len(there)))


def at_once(on: Sequence[set[int] | None]) -> int:
    """Return how many processes advance at full speed: the number of different cores."""
    if on[0] is None:
        return min(len(on), os.cpu_count() or 1)
    return len({frozenset(core) for core in on if core})


def run(jobs: Sequence[Job], on: Sequence[set[int] | None]) -> dict[Job, str]:
    """Run the jobs that are not finished; returns the last line of each that failed.

    If this process is interrupted, the running jobs are told to save, and are waited for.
    """
    waiting = [job for job in jobs if not job.finished()]
    costs, failed, undone = Costs(jobs), {}, {job: job.left() for job in waiting}
    free, running = list(on), {}
    with tqdm(total=len(jobs), initial=len(jobs) - len(waiting), bar_format="{desc}", dynamic_ncols=True, disable=None) as line:
        try:
            while waiting or running:
                while free and (job := next((job for job in waiting if not job.is_locked()), None)):
                    waiting.remove(job)
                    core = free.pop(0)
                    running[job] = (Running(job, core), core)
                time.sleep(POLL)
                for job, (one, core) in list(running.items()):
                    if one.process.poll() is not None:
                        del running[job]
                        free.append(core)
                        line.write(outcome(one, failed), file=sys.stdout)
                        costs = Costs(jobs)  # this machine's times, as soon as there are any
                done = len(jobs) - len(waiting) - len(running)
                now, later = [one for one, _ in running.values()], {job: undone[job] for job in waiting}
                line.set_description_str(state(done, len(jobs), now, later, costs, at_once(on)))
        finally:
            for one, _ in running.values():
                one.process.send_signal(signal.SIGTERM)
            for one, _ in running.values():
                one.process.wait()
    return failed


def outcome(one: Running, failed: dict[Job, str]) -> str:
    """Return a line about a process that has ended; adds it to `failed` unless its run is finished."""
    job, took = one.job, duration(time.monotonic() - one.began)
    run = job.finished()
    if one.process.returncode == 0 and run:
        numbers = "".join(f", {name} {run.results[name]:.3f}" for name in NUMBERS if isinstance(run.results.get(name), float))
        return f"{job.name}, seed {job.seed}: done in {took}{numbers}"
    own = job.log.read_bytes()[one.printed :].decode(errors="replace")  # not what an earlier attempt printed
    last = (own.strip().splitlines() or ["it printed nothing"])[-1]
    failed[job] = f"exit status {one.process.returncode}: {last}"
    return f"{job.name}, seed {job.seed}: FAILED after {took}, {failed[job]} ({job.log})"


def state(done: int, count: int, running: Sequence[Running], waiting: dict[Job, float], costs: Costs, slots: int) -> str:
    """Return the line of progress. `waiting` has the share of each waiting job that is still to do."""
    expected = costs.seconds.get
    shares = {one.job: one.share(expected(one.job.name)) for one in running}
    left = [(1 - shares[one.job]) * (expected(one.job.name) or 0.0) for one in running]
    left += [share * (expected(job.name) or 0.0) for job, share in waiting.items()]
    unknown = any(expected(job.name) is None for job in [*waiting, *shares])
    still = f"{'at least' if unknown else 'about'} {duration(max(sum(left) / slots, *left, 0.0))} left"
    now = ", ".join(f"{job.name} {job.seed} ({share:.0%})" for job, share in shares.items())
    return f"{done}/{count} done; {still}; {now or 'waiting for another process'}"
