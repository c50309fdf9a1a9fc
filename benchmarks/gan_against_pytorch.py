"""Times an iteration of the DCGAN, ours against the same in eager PyTorch. See README.md beside this file."""

import argparse
import importlib.util
import json
import math
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

# The libraries are imported in the contestants' processes only: Linux counts the memory of the process that starts another
# into the other's peak, so that this one has to stay small.

BATCH_SIZE = 64
IMAGES = 4096  # of random bytes
PARAMETERS_2016 = {64: [5_135_363, 4_316_545]}  # generator, discriminator
OURS, PYTORCH, TUNED = "ours", "PyTorch", "PyTorch, tuned"


class Ours:
    """The Keras model as train_gan.py trains it, without callbacks: no summaries, checkpoints or progress."""

    def __init__(self, images, threads: int):
        os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_NUM_INTRAOP_THREADS": str(threads)}
        import numpy as np

        # Before TensorFlow, as in train_gan.py: it sets what TensorFlow reads when it is imported.
        from unsupervised_learning import data, gan, layers, training

        self.model = gan.DCGAN(side=images.shape[1], channels=images.shape[3])
        self.model.compile(*(layers.adam(2e-4, beta1=0.5) for _ in ("generator", "discriminator")))
        if images.shape[1] == 64:  # pictures come from a file
            in_file = np.memmap(tempfile.TemporaryFile(), np.uint8, "w+", shape=images.shape)  # noqa: SIM115
            in_file[:] = images
            images = in_file
        cadence = {"record_every": 10, "extras_every": 100, "checkpoint_every": 500, "most_in_a_call": 2}
        uncalled = dict.fromkeys(("record", "extras", "write_outputs"))
        self.experiment = training.Experiment("GAN", self.model.scale, jit_compile=False, **cadence, **uncalled)
        self.images, self.order, self.pipeline = images, data.BatchOrder(IMAGES, BATCH_SIZE, seed=0), training.pipeline
        self.loop = training.IterationLoop(self.model, images, self.experiment)
        networks = self.model.generator, self.model.discriminator
        self.parameters = [sum(math.prod(v.shape) for v in network.trainable_variables) for network in networks]

    def iterate(self, count: int, batch_size: int) -> float:
        """Do `count` iterations; returns the generator's newest loss."""
        first = int(self.model.iterations)
        calls = sum(1 for _ in self.experiment.calls(first, first + count))
        batches = self.pipeline(self.images, self.order, self.experiment, first, first + count)
        history = self.loop.fit(batches, epochs=calls, steps_per_epoch=1, shuffle=False, verbose=0).history
        return history["generator_loss"][-1]


contestant = None  # of this process


def prepare(name: str, side: int) -> dict:
    """Import the library and build the networks of this process's contestant."""
    global contestant
    began, threads = time.perf_counter(), os.cpu_count() or 1
    import numpy as np

    images = np.random.default_rng(0).integers(0, 256, (IMAGES, side, side, 3 if side == 64 else 1), np.uint8)
    if name == OURS:
        contestant = Ours(images, threads)
    else:
        from benchmarks import pytorch_gan

        contestant = pytorch_gan.Training(images, name == TUNED, threads)
    version = sys.modules["tensorflow" if name == OURS else "torch"].__version__
    return {"parameters": contestant.parameters, "version": str(version), "build_seconds": time.perf_counter() - began}


def time_round(iterations: int) -> tuple[float, int]:
    """Seconds for an iteration, the mean over a round, and the peak memory of this process so far, in bytes."""
    began = time.perf_counter()
    loss = contestant.iterate(iterations, BATCH_SIZE)
    seconds = (time.perf_counter() - began) / iterations
    assert math.isfinite(loss), f"the generator's loss is {loss}"
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def compare(side: int, names: list[str], repeats: int, iterations: int) -> dict[str, dict]:
    """All rounds for images of one size, the contestants in turn; the measurements of each."""
    with ExitStack() as stack:
        spawn = get_context("spawn")
        workers = {name: stack.enter_context(ProcessPoolExecutor(1, spawn)) for name in names}
        found = {name: worker.submit(prepare, name, side).result() for name, worker in workers.items()}
        expected = PARAMETERS_2016.get(side, found[OURS]["parameters"])
        for name in names:
            assert found[name]["parameters"] == expected, f"{side}, {name}: {found[name]['parameters']}, not {expected}"
        rounds = {name: [] for name in names}
        for number in range(repeats + 1):
            for name, worker in workers.items():
                print(f"\r{f'{side}×{side}, round {number} of {repeats}, {name}':60}", end="", file=sys.stderr, flush=True)
                seconds, found[name]["peak_bytes"] = worker.submit(time_round, iterations).result()
                rounds[name].append(seconds)
    for name, (first, *later) in rounds.items():
        ratios = [theirs / ours for theirs, ours in zip(later, rounds[OURS][1:], strict=True)]
        found[name] |= {"first_round_seconds": first * iterations, "seconds_per_iteration": later}
        found[name] |= {"median": statistics.median(later), "ratio_to_ours": statistics.median(ratios)}
    return found


def table(results: dict[int, dict[str, dict]]) -> str:
    """The measurements in Markdown."""
    heads = ["images", "", "s per iteration", "min–max", "time / ours", "build, s", "first round, s", "peak MB", "parameters"]
    rows = [heads, ["---"] * len(heads)]
    for side, found in results.items():
        for name, of in found.items():
            times = of["seconds_per_iteration"]
            row = [f"{side}×{side}", f"{name} ({of['version']})", f"{of['median']:.3f}", f"{min(times):.3f}–{max(times):.3f}"]
            row += [f"{of['ratio_to_ours']:.2f}", f"{of['build_seconds']:.1f}", f"{of['first_round_seconds']:.1f}"]
            rows.append([*row, f"{of['peak_bytes'] / 1e6:,.0f}", " + ".join(f"{count:,}" for count in of["parameters"])])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    """Run all rounds and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gan_against_pytorch", description=__doc__)
    parser.add_argument("--side", type=int, nargs="+", choices=(28, 64), default=[28, 64], help="images' sizes")
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds of each, after one to warm up")
    parser.add_argument("--iterations", type=int, default=10, help="iterations in a round")
    parser.add_argument("--tuned", action="store_true", help="also time a PyTorch side with our savings and channels last")
    parser.add_argument("--out", help="write the measurements to this file, as JSON")
    options = parser.parse_args()
    if min(options.repeats, options.iterations) < 1:
        parser.error("--repeats and --iterations must be at least 1")
    if not importlib.util.find_spec("torch"):
        print("PyTorch is not installed; install it with: pip install -r benchmarks/requirements.txt", file=sys.stderr)
        return 2

    setting = {"batch size": BATCH_SIZE, "rounds": options.repeats, "iterations in a round": options.iterations}
    setting |= {"threads": os.cpu_count() or 1, "load before": round(os.getloadavg()[0], 2), "on": platform.platform()}
    names = [OURS, PYTORCH] + [TUNED] * options.tuned
    results = {side: compare(side, names, options.repeats, options.iterations) for side in dict.fromkeys(options.side)}
    print(file=sys.stderr)
    print(table(results), ", ".join(f"{what}: {value}" for what, value in setting.items()), sep="\n\n")
    if options.out:
        with open(options.out, "w") as file:
            json.dump({"setting": setting, "results": results}, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
