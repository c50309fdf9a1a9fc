"""Times our training, as a user runs it, against the same networks in other libraries. See README.md in this folder."""

import argparse
import dataclasses
import importlib
import importlib.util
import json
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time
from importlib import metadata
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.shapes import BATCH_SIZE, PARAMETERS, write_data

# Import the contestants' libraries only in their own processes. On Linux, a child's peak memory includes its parent's memory at
# the start, so this process must stay small.


class Contestant(NamedTuple):
    """A module of this folder with a function `train(model, variant, turns, folder)`, its requirements and its models."""

    module: str
    variant: str = ""
    needs: tuple[str, ...] = ()
    compiler: bool = False
    original: bool = False  # needs the author's files
    models: tuple[str, ...] = tuple(BATCH_SIZE)
    length: int = 1  # length of a round; 1 is ITERATIONS


CONTESTANTS = {
    "ours": Contestant("ours", length=5),
    "ours, no callbacks": Contestant("ours", "bare", length=5),
    "Keras fit, tf.data": Contestant("keras_fit", "tf.data"),
    "Keras fit, arrays": Contestant("keras_fit", "arrays"),
    # Not gan64: with XLA's convolutions, an iteration takes about 20 s.
    "JAX scan": Contestant("jax_scan", needs=("jax", "optax"), models=("autoencoder", "vae", "gan28")),
    "PyTorch": Contestant("pytorch", "eager", ("torch",)),
    "torch.compile": Contestant("pytorch", "compiled", ("torch",), compiler=True),
    "PyTorch, tuned": Contestant("pytorch", "tuned", ("torch",), models=("gan28", "gan64")),
    "author's graph": Contestant("author_graph", original=True, models=("autoencoder", "vae")),
    "matrix products": Contestant("matrix_products"),
}
# The contestants of a group take turns, round by round. One group at a time, because all together do not fit in memory.
GROUPS = (("autoencoder", "vae"), ("gan28",), ("gan64",))
ITERATIONS = {"autoencoder": 1_000, "vae": 1_000, "gan28": 10, "gan64": 2}  # per round of a contestant


# In a contestant's process


class Turns:
    """Used by a contestant to report its parameter count and its progress. Blocks at the end of a turn."""

    parameters: int | None = None  # set by the contestant before its first iteration

    def __init__(self, connection: Connection, iterations: int, spawned: float):
        self.connection, self.iterations, self.count = connection, iterations, 0
        self.spawned, self.start_seconds = spawned, 0.0
        self.began = time.perf_counter()

    def done(self, count: int) -> None:
        """Report that `count` more iterations are done and their results are available."""
        self.start_seconds = self.start_seconds or time.time() - self.spawned
        self.count += count
        if self.count < self.iterations:
            return
        seconds = (time.perf_counter() - self.began) / self.count
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        measured = {"seconds": seconds, "start_seconds": self.start_seconds, "peak_bytes": peak}
        self.connection.send({**measured, "parameters": self.parameters})
        self.connection.recv()
        self.count, self.began = 0, time.perf_counter()


def take_part(name: str, model: str, folder: str, iterations: int, connection: Connection, spawned: float) -> None:
    """Run a contestant in its own process until it is killed."""
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{folder}/inductor-{model}"  # initially empty, so that compilation is timed
    contestant = CONTESTANTS[name]
    turns = Turns(connection, iterations, spawned)
    importlib.import_module(f"benchmarks.{contestant.module}").train(model, contestant.variant, turns, Path(folder))


# In the main process


@dataclasses.dataclass
class Contest:
    """A contestant training a model, with its measurements."""

    name: str
    model: str
    process: SpawnProcess
    connection: Connection
    start_seconds: float = 0.0
    peak_bytes: int = 0
    seconds: list[float] = dataclasses.field(default_factory=list)

    def measure(self, first: bool) -> None:
        """Wait for the end of the contestant's turn.

        Raises:
            ChildProcessError: the contestant failed, or its number of parameters is not the one in PARAMETERS.
        """
        try:
            measured = self.connection.recv()
        except (EOFError, ConnectionError):
            raise ChildProcessError("it failed; see its output above") from None
        if measured["parameters"] != PARAMETERS[self.model] and self.name != "matrix products":
            raise ChildProcessError(f"it trains {measured['parameters']} parameters, not {PARAMETERS[self.model]}")
        self.start_seconds, self.peak_bytes = measured["start_seconds"], measured["peak_bytes"]
        if not first:
            self.seconds.append(measured["seconds"])


def start(name: str, model: str, share: float, folder: str) -> Contest:
    """Start a contestant's process."""
    spawn = get_context("spawn")
    iterations = max(1, round(ITERATIONS[model] * CONTESTANTS[name].length * share))
    connection, theirs = spawn.Pipe()
    process = spawn.Process(target=take_part, args=(name, model, folder, iterations, theirs, time.time()), daemon=True)
    process.start()
    theirs.close()
    return Contest(name, model, process, connection)


def compete(pairs: list[tuple[str, str]], rounds: int, share: float, folder: str, left_out: dict[str, str]) -> list[Contest]:
    """Run all rounds of a group of (model, contestant), in turns. Contestants that fail are dropped and added to `left_out`."""
    contests: dict[tuple[str, str], Contest] = {}
    try:
        for number in range(rounds + 1):
            for model, name in pairs:
                said = f"{model}, {f'round {number} of {rounds}' if number else 'start'}, {name}"
                print(f"\r{said:60}", end="", file=sys.stderr, flush=True)
                if number == 0:
                    contests[model, name] = start(name, model, share, folder)
                elif (model, name) not in contests:
                    continue
                try:
                    if number:
                        contests[model, name].connection.send(None)
                    contests[model, name].measure(first=number == 0)
                except (ChildProcessError, ConnectionError) as error:
                    contests.pop((model, name)).process.kill()
                    left_out[f"{model}, {name}"] = str(error)
                    print(f"\n{model}, {name} is left out: {error}", file=sys.stderr)
    finally:
        for contest in contests.values():
            contest.process.kill()
        for contest in contests.values():
            contest.process.join()
    return list(contests.values())


def missing(name: str) -> str:
    """Return the missing requirements of a contestant and how to install them; empty if there are none."""
    contestant = CONTESTANTS[name]
    if lacking := [module for module in contestant.needs if not importlib.util.find_spec(module)]:
        return f"{', '.join(lacking)} not installed (pip install -r benchmarks/requirements.txt)"
    if contestant.original and not os.environ.get("ORIGINAL_DIR"):
        return "$ORIGINAL_DIR, the folder with the author's files of 2016, is not set"
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    return f"no C++ compiler {compiler}" if contestant.compiler and not shutil.which(compiler) else ""


def table(contests: list[Contest]) -> str:
    """Format the measurements in Markdown, one table per model."""
    parts = []
    heads = ("", "iterations/s", "min–max", "time / ours", "start, s", "peak, MiB")
    for model in dict.fromkeys(contest.model for contest in contests):
        rows = [f"### {model}, batch {BATCH_SIZE[model]}\n", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        of_model = [contest for contest in contests if contest.model == model]
        ours = next((contest.seconds for contest in of_model if contest.name == "ours"), None)
        for contest in of_model:
            ratios = [theirs / own for theirs, own in zip(contest.seconds, ours or contest.seconds, strict=True)]
            rates = [1 / seconds for seconds in contest.seconds]
            row = (
                contest.name,
                rate(statistics.median(rates)),
                f"{rate(min(rates))}–{rate(max(rates))}",
                f"{statistics.median(ratios):.2f}" if ours else "–",
                f"{contest.start_seconds:.1f}",
                f"{contest.peak_bytes / 2**20:,.0f}",
            )
            rows.append(f"| {' | '.join(row)} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def rate(value: float) -> str:
    """Format a rate with three significant digits, or as a whole number from 100."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def setting() -> dict[str, Any]:
    """Describe the machine and the library versions of the measurement."""
    names = ("tensorflow", "keras", "numpy", "jax", "optax", "torch")
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "load before": round(os.getloadavg()[0], 2),
        "on": platform.platform(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in names if importlib.util.find_spec(name)},
    }


def record(contests: list[Contest], where: dict[str, Any], left_out: dict[str, str]) -> dict[str, Any]:
    """Return the measurements as measurement → model → contestant, for speed.json."""
    measured: dict[str, Any] = {"setting": where, "left_out": left_out}
    for key, of in (
        ("seconds_per_iteration", "seconds"),
        ("start_seconds", "start_seconds"),
        ("peak_bytes", "peak_bytes"),
    ):
        measured[key] = {
            model: {contest.name: getattr(contest, of) for contest in contests if contest.model == model}
            for model in dict.fromkeys(contest.model for contest in contests)
        }
    return measured


def main() -> int:
    """Run all rounds, write measurements and tables after each group, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--models", nargs="+", choices=list(BATCH_SIZE), default=list(BATCH_SIZE))
    parser.add_argument("--contestants", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds per contestant, after one to warm up")
    parser.add_argument("--share", type=float, default=1.0, help="share of the usual length of a round; 0.1 for a quick look")
    parser.add_argument("--out", type=Path, default=Path("logs/speed"), help="folder for speed.json and speed.md")
    options = parser.parse_args()
    if options.rounds < 1 or not options.share > 0:
        parser.error(f"--rounds must be at least 1 and --share above 0. Received: {options.rounds}, {options.share}")
    left_out = {name: lacking for name in options.contestants if (lacking := missing(name))}
    for name, lacking in left_out.items():
        print(f"{name} is left out: {lacking}", file=sys.stderr)
    where = {**setting(), "rounds": options.rounds, "share": options.share}
    contests: list[Contest] = []
    with tempfile.TemporaryDirectory() as folder:
        writer = get_context("spawn").Process(target=write_data, args=(Path(folder), "gan64" in options.models))
        writer.start()
        writer.join()
        if writer.exitcode:
            raise ChildProcessError(f"cannot write the images to {folder}")
        for group in GROUPS:
            pairs = [
                (model, name)
                for model in group
                for name in options.contestants
                if model in options.models and model in CONTESTANTS[name].models and name not in left_out
            ]
            contests += compete(pairs, options.rounds, options.share, folder, left_out)
            text = f"{table(contests)}\n\n{', '.join(f'{what}: {value}' for what, value in where.items())}\n"
            options.out.mkdir(parents=True, exist_ok=True)
            content = json.dumps(record(contests, where, left_out), indent=2) + "\n"
            (options.out / "speed.json").write_text(content)
            (options.out / "speed.md").write_text(text)
    print(f"\r{'':60}", file=sys.stderr)
    print(text)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ChildProcessError as error:
        sys.exit(f"\n{error}")
