"""Measures how the VAE's cost grows with batch, code, width and data, and its memory. See README.md in this folder."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.shapes import REPOSITORY, random_bytes, write_data
from benchmarks.training import rate, setting
from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

from unsupervised_learning import layers
from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.monitoring.vae import VAEMonitor
from unsupervised_learning.training.loop import CompiledIterations, Schedule, pipeline
from unsupervised_learning.vae import VariationalAutoEncoder

STANDARD = {"batch_size": 256, "z_dim": 3, "width": 50, "images": 55_000}
GROWING: dict[str, tuple[int, ...]] = {
    "batch_size": (64, 128, 256, 512, 1024, 2048, 4096, 8192),
    "z_dim": (2, 3, 8, 32, 128),
    "width": (25, 50, 100, 200, 400, 800),
    "images": (5_000, 55_000, 200_000, 500_000),
}
LABELS = {
    "batch_size": "images in a batch",
    "z_dim": "latent dimensions",
    "width": "units in a layer",
    "images": "images in memory",
}
SECONDS, ROUNDS = 2.0, 3  # length of a round; number of rounds
LONG = 100_000  # iterations of the run that measures memory
Growth = dict[str, dict[int, list[float]]]  # parameter → value → seconds per iteration in each round


def rounds(share: float, batch_size: int, z_dim: int, width: int, images: int) -> list[float]:
    """Return seconds per iteration for each round of training the VAE without callbacks."""
    model = VariationalAutoEncoder(z_dim, width=width)
    model.compile(optimizer=layers.adam())
    model.optimizer.build(model.trainable_variables)
    length = max(1, round(share * 500 * 256 * 50 / max(256 * 50, batch_size * width)))  # iterations per call: fewer if slow
    monitor = VAEMonitor(model)
    monitor.record_every = monitor.extras_every = monitor.checkpoint_every = length  # every call has this length
    pixels = random_bytes((images, 28, 28))
    iterations, order = CompiledIterations(model, pixels, monitor.scale), BatchOrder(images, batch_size, seed=0)
    batches = iter(pipeline(pixels, order, Schedule(monitor, length), 0, 10**6))

    def call() -> float:
        began = time.perf_counter()
        iterations.compiled(*next(batches))
        return (time.perf_counter() - began) / length

    call()  # compiles
    count = max(1, round(SECONDS * share / (call() * length)))
    return [statistics.mean(call() for _ in range(count)) for _ in range(ROUNDS)]


def grown(share: float, largest: float) -> Growth:
    """Measure the rounds for each size, up to the share `largest` of the largest one. The standard setting is measured once."""
    standard, found = rounds(share, **STANDARD), {}
    for name, sizes in GROWING.items():
        found[name] = {}
        for size in sizes:
            if size > largest * sizes[-1] and size != STANDARD[name]:
                continue
            print(f"\r{f'{LABELS[name]}: {size:,}':60}", end="", file=sys.stderr, flush=True)
            found[name][size] = standard if size == STANDARD[name] else rounds(share, **{**STANDARD, name: size})
    return found


def memory(iterations: int) -> list[tuple[float, float]]:
    """Return the resident memory of a train_vae.py run as (share of its time, MiB); empty without /proc."""
    seen = []
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), pictures=False)
        flags = [
            f"--data_dir={folder}/idx",
            "--dataset=fashion_mnist",
            f"--logs_dir={folder}/run",
            f"--max_iterations={iterations}",
        ]
        command = [sys.executable, str(REPOSITORY / "train_vae.py"), *flags]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        statistics_file = Path(f"/proc/{process.pid}/statm")
        while process.poll() is None and not (Path(folder) / "run" / f"model.ckpt-{iterations}.index").exists():
            if statistics_file.exists() and (pages := statistics_file.read_text().split()):
                seen.append(int(pages[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
            print(f"\r{f'memory of {iterations:,} iterations: {seen[-1] if seen else 0:,.0f} MiB':60}", end="", file=sys.stderr)
            time.sleep(0.5)
        process.wait()
        if process.returncode:
            raise ChildProcessError("train_vae.py failed; see its output above")
    return [(number / len(seen), size) for number, size in enumerate(seen)]


def figure(found: Growth, sizes: list[tuple[float, float]], iterations: int) -> Figure:
    """Plot milliseconds per iteration against each size, on logarithmic axes with a common scale, and memory over a run."""
    whole = Figure(figsize=(13, 7.5), layout="constrained")
    grid = whole.add_gridspec(2, 6)
    panes = [whole.add_subplot(grid[0, 2 * column : 2 * column + 2]) for column in range(3)]
    panes += [whole.add_subplot(grid[1, 3 * column : 3 * column + 3]) for column in range(2)]
    of_all = [1e3 * seconds for times in found.values() for rounds_ in times.values() for seconds in rounds_]
    for axes, (name, times) in zip(panes, found.items(), strict=False):
        middle = [1e3 * statistics.median(seconds) for seconds in times.values()]
        spread = [[1e3 * bound(seconds) for seconds in times.values()] for bound in (min, max)]
        axes.fill_between(list(times), *spread, color="C0", alpha=0.2, linewidth=0)
        axes.plot(list(times), middle, "o-", color="C0")
        axes.axvline(STANDARD[name], color="0.6", linewidth=1, linestyle=":")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_ylim(min(of_all) / 1.3, max(of_all) * 1.3)
        axes.set_xticks(list(times), [f"{size:,}" for size in times])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(LABELS[name])
        axes.set_ylabel("ms per iteration")
        axes.grid(alpha=0.3)
    axes = panes[-1]
    if sizes:
        axes.plot(*zip(*sizes, strict=True), color="C1")
        axes.set_ylim(0)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel(f"share of the time of a run of {iterations:,} iterations, including start-up")
        axes.set_ylabel("resident memory, MiB")
        axes.grid(alpha=0.3)
    else:
        axes.remove()
    whole.suptitle("VAE: growth of cost (line and band: median and range of the rounds; dotted: default setting)")
    return whole


def main() -> int:
    """Measure, and write scale.json and scale.png."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="share of the usual time and iterations; 0.1 for a quick look")
    parser.add_argument("--out", type=Path, default=Path("logs/speed"), help="folder for scale.json and scale.png")
    parser.add_argument("--largest", type=float, default=1.0, help="skip sizes above this share of the largest")
    options = parser.parse_args()
    if not (options.share > 0 and options.largest > 0):
        parser.error(f"--share and --largest must be above 0. Received: {options.share}, {options.largest}")
    where, iterations = {**setting(), "share": options.share}, max(1, round(LONG * options.share))
    found, sizes = grown(options.share, options.largest), memory(iterations)
    print(f"\r{'':60}", file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    record = {"setting": where, "seconds_per_iteration": found, "memory": sizes}
    (options.out / "scale.json").write_text(json.dumps(record, indent=2) + "\n")
    figure(found, sizes, iterations).savefig(options.out / "scale.png", dpi=110)
    for name, times in found.items():
        rates = ", ".join(f"{size:,}: {rate(1 / statistics.median(seconds))}" for size, seconds in times.items())
        print(f"iterations/s by {LABELS[name]}: {rates}")
    half = [size for share, size in sizes if share >= 0.5]
    if half:
        print(f"memory in the second half of the run: {min(half):,.0f} to {max(half):,.0f} MiB")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ChildProcessError as error:
        sys.exit(f"\n{error}")
