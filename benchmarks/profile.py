"""Profiles an iteration: time per operation of the compiled loop on one core. See README.md in this folder."""

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.shapes import BATCH_SIZE, DIGITS, random_bytes

CALL, CALLS = 100, 5  # iterations per call of the compiled loop; measured calls


def operations(model: str) -> tuple[Counter[str], float]:
    """Return the microseconds per iteration of each XLA operation, by name, and in total."""
    from unsupervised_learning.start import prepare

    prepare()  # before TensorFlow is imported
    from unsupervised_learning import layers
    from unsupervised_learning.autoencoder import AutoEncoder
    from unsupervised_learning.data.batches import BatchOrder
    from unsupervised_learning.monitoring.autoencoder import AutoEncoderMonitor
    from unsupervised_learning.monitoring.vae import VAEMonitor
    from unsupervised_learning.training.loop import CompiledIterations, Schedule, pipeline
    from unsupervised_learning.vae import VariationalAutoEncoder

    import tensorflow as tf  # isort: skip
    from tensorflow.tsl.profiler.protobuf import xplane_pb2  # isort: skip

    network = {"autoencoder": AutoEncoder, "vae": VariationalAutoEncoder}[model]()
    network.compile(optimizer=layers.adam())
    network.optimizer.build(network.trainable_variables)
    monitor = (AutoEncoderMonitor if model == "autoencoder" else VAEMonitor)(network)
    monitor.record_every = CALL
    images = random_bytes((DIGITS, 28, 28))
    iterations, order = CompiledIterations(network, images, monitor.scale), BatchOrder(len(images), BATCH_SIZE[model], 0)
    batches = iter(pipeline(images, order, Schedule(monitor, CALL), 0, 10**6))
    iterations.compiled(*next(batches))  # compiles
    iterations.compiled(*next(batches))
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(CALLS):
                iterations.compiled(*next(batches))
        [path] = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    spent: Counter[str] = Counter()
    whole = 0.0
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name, microseconds = plane.event_metadata[event.metadata_id].name, event.duration_ps / 1e6 / CALL / CALLS
                if name == "CpuExecutable::ExecuteAsyncOnStream":
                    whole += microseconds
                elif any(plane.stat_metadata[stat.metadata_id].name == "hlo_op" for stat in event.stats):
                    spent[name] += microseconds
    return spent, whole


def main() -> int:
    """Print the slowest operations."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--model", choices=["autoencoder", "vae"], default="vae")
    parser.add_argument("--shown", type=int, default=20, help="number of operations to list")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # on one core, the time of an operation is its cost
    spent, whole = operations(options.model)
    products = sum(microseconds for name, microseconds in spent.items() if name.startswith("MatMul"))
    print(f"{options.model}: {whole:,.0f} µs per iteration on one core; matrix products {products / whole:.0%}")
    print("| operation | µs | share |\n|---|---|---|")
    for name, microseconds in spent.most_common(options.shown):
        print(f"| {name} | {microseconds:.0f} | {microseconds / whole:.1%} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
