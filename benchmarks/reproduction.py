"""Measures runs per hour: one process for each core, and one after the other on all cores. See README.md in this folder."""

import argparse
import dataclasses
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

from unsupervised_learning.errors import RunError
from unsupervised_learning.reproduce import pool
from unsupervised_learning.reproduce.jobs import Job, Request


def jobs(names: Sequence[str], seeds: int, iterations: int, out: Path, data_dir: str | None) -> list[Job]:
    """Return the runs, cut to `iterations`."""
    found = Request(names, seeds, out, data_dir=data_dir).jobs()
    return [
        dataclasses.replace(job, words=(*job.words, f"--max_iterations={iterations}"), iterations=iterations) for job in found
    ]


def timed(runs: Sequence[Job], on: Sequence[set[int] | None]) -> float:
    """Return the seconds that the runs take, start-up and evaluation included."""
    began = time.perf_counter()
    if failed := pool.run(runs, on):
        sys.exit(f"a run failed: {next(iter(failed.values()))}")
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", nargs="+", default=["autoencoder", "vae_fixed"], help="experiments of `reproduce`")
    parser.add_argument("--seeds", type=int, default=len(pool.cores(None)), help="runs of each; by default the number of cores")
    parser.add_argument("--iterations", type=int, default=20_001, help="iterations of each run")
    parser.add_argument("--data_dir", help="folder with MNIST's four files")
    given = parser.parse_args()
    if given.seeds < 1:
        sys.exit(f"--seeds must be at least 1. Received: {given.seeds}")
    own = pool.cores(None)
    if own[0] is None:
        sys.exit("needs Linux, which lets a process choose its cores")
    together = {core for one in own if one for core in one}
    ways = {"one process for each core": own, "one after the other on all cores": [together]}
    seconds = {}
    for way, on in ways.items():
        out = Path(tempfile.mkdtemp(prefix="reproduction"))
        try:
            runs = jobs(given.names, given.seeds, given.iterations, out, given.data_dir)
            seconds[way] = timed(runs, on)
        except RunError as error:
            sys.exit(str(error))  # what the run printed stays
        shutil.rmtree(out)
    print(f"\n{len(runs)} runs of {given.iterations:,} iterations ({', '.join(given.names)}) on {len(together)} cores")
    for way, took in seconds.items():
        print(f"{way:<34}{took:>8.0f} s{len(runs) * 3600 / took:>8.1f} runs an hour")
    first, second = seconds.values()
    print(f"ratio of the times: {first / second:.2f}")


if __name__ == "__main__":
    main()
