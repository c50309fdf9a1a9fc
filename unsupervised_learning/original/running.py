"""Run the author's 2016 graph in TensorFlow 2.21, through `tf.compat.v1`: its variables, losses and update.

Only the nodes that the losses, the update and the initialisers need are imported (`graph_files.subgraph`). The rest of the file
is never run.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import numpy as np
import tensorflow as tf

from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.errors import RunError
from unsupervised_learning.original.checkpoints import BETA1, BETA2, Checkpoint, Model
from unsupervised_learning.original.description import Description
from unsupervised_learning.original.graph_files import Graph, subgraph
from unsupervised_learning.vae import VariationalAutoEncoder

BUILDS = {build.__name__: build for build in (AutoEncoder, VariationalAutoEncoder)}
BATCH = 256  # batch size of the runs with none in their graph
RANDOM = ("TruncatedNormal", "RandomStandardNormal")  # ops that draw random numbers


class RunningGraph:
    """One of the author's graphs, initialised by its own initialisers, in a session of its own.

    Departs from 2016: its random operations get a seed, because the graphs have none and no run could be repeated.

    Args:
        graph: graph from the author's file.
        description: description of that graph.
        seed: seed of the initial weights, and of the noise unless noise is passed in.
        as_it_stands: run the graph unchanged, as TensorFlow 0.x did. By default TensorFlow rewrites it into an equivalent
            graph that is faster and rounds differently.
        threads: number of threads of its session: 1 fixes the order of sums; 0 takes as many as there are cores.

    Raises:
        RunError: if TensorFlow rejects the graph.
    """

    def __init__(self, graph: Graph, description: Description, seed: int, as_it_stands: bool = False, threads: int = 1):
        self.description, self.path = description, graph.path
        targets = [description.update, *description.initializers, *description.losses.values()]
        definition = subgraph(graph, targets)
        draws = [name for name, node in graph.nodes.items() if node.op in RANDOM]
        for node in definition.node:
            if node.op in RANDOM:
                node.attr["seed"].i, node.attr["seed2"].i = seed, 1 + draws.index(node.name)
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads, device_count={"GPU": 0}
        )
        if as_it_stands:
            config.graph_options.rewrite_options.disable_meta_optimizer = True
            config.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
        slots = [slot for pair in description.slots.values() for slot in pair]
        feeds = [name for name in (description.input, description.noise) if name]
        with self.one_line_errors(), tf.Graph().as_default() as own:
            tf.import_graph_def(definition, name="")
            self.session = tf.compat.v1.Session(graph=own, config=config)
            self.session.run(description.initializers)
            self.setters = {name: self.setter(name) for name in [*description.variables.values(), *slots, *description.powers]}
            update = own.get_operation_by_name(description.update)
            self.run_update = self.session.make_callable([update], feeds)
            self.run_update_with_own_noise = self.session.make_callable([update], feeds[:1])
            self.run_losses = self.session.make_callable(list(description.losses.values()), feeds)

    def setter(self, name: str) -> tuple[tf.Tensor, tf.Operation]:
        """Return a placeholder for a variable's new value, and the operation that assigns it."""
        variable = self.session.graph.get_tensor_by_name(f"{name}:0")
        value = tf.compat.v1.placeholder(tf.float32, variable.shape)
        return value, tf.raw_ops.Assign(ref=variable, value=value).op

    @contextmanager
    def one_line_errors(self) -> Iterator[None]:
        """Turn TensorFlow's errors about the graph into a one-line `RunError`."""
        try:
            yield
        except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
            if isinstance(error, RunError):
                raise
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise RunError(f"{self.path}: TensorFlow cannot run this graph: {reason}") from None

    def update(self, images: np.ndarray, noise: np.ndarray | None = None) -> None:
        """Do one update on images [batch, 784] in [0, 1]; a VAE uses the noise [batch, z_dim], or draws its own if None."""
        with self.one_line_errors():
            if noise is None:
                self.run_update_with_own_noise(images)
            else:
                self.run_update(images, noise)

    def losses(self, images: np.ndarray, noise: np.ndarray | None = None) -> dict[str, float]:
        """Return a batch's losses by our names; losses that the graph computes per image, in nats, are averaged.

        Args:
            images: [batch, 784], in [0, 1].
            noise: [batch, z_dim], of a VAE.
        """
        with self.one_line_errors():
            values = self.run_losses(images) if noise is None else self.run_losses(images, noise)
        means = (float(np.mean(value, dtype=np.float64)) for value in values)
        return dict(zip(self.description.losses, means, strict=True))

    def values(self) -> dict[str, np.ndarray]:
        """Return the variables' values, by their names in `variables_of_2016`."""
        names = self.description.variables
        return dict(zip(names, self.session.run([f"{name}:0" for name in names.values()]), strict=True))

    def assign(self, values: Mapping[str, np.ndarray | float]) -> None:
        """Set variables, by their names in the graph."""
        operations = [self.setters[name][1] for name in values]
        self.session.run(operations, {self.setters[name][0]: value for name, value in values.items()})

    def state(self) -> dict[str, np.ndarray]:
        """Return all variables, Adam's included, by their names in the graph."""
        return dict(zip(self.setters, self.session.run([f"{name}:0" for name in self.setters]), strict=True))

    def resume(self, state: Mapping[str, np.ndarray], updates: int, images: np.ndarray) -> None:
        """Restore what `state` returned after `updates` updates, and draw as much noise as those updates drew.

        The noise comes from a running stream inside the graph's random operation, which cannot be set. Drawing without
        updating advances it to the same position.

        Args:
            state: the variables.
            updates: number of completed updates.
            images: any batch [batch, 784] of the run's batch size.
        """
        self.assign(state)
        if self.description.noise is not None:
            draw = self.session.make_callable([self.description.noise], [self.description.input])
            for _ in range(updates):
                draw(images)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore the variables and Adam's state from one of the author's checkpoints.

        Raises:
            RunError: if the checkpoint is of another model, or Adam's state or the iteration is missing.
        """
        shapes = {name: value.shape for name, value in self.values().items()}
        if {name: value.shape for name, value in checkpoint.values.items()} != shapes:
            raise RunError(f"{checkpoint.path} is not a checkpoint of the graph in {self.path}: its variables differ")
        if not checkpoint.momentums or checkpoint.updates is None:
            raise RunError(f"{checkpoint.path} cannot be resumed: missing Adam's state, or the iteration in its name")
        own: dict[str, np.ndarray | float] = {
            self.description.variables[name]: value for name, value in checkpoint.values.items()
        }
        for name, slots in self.description.slots.items():
            own |= dict(zip(slots, (checkpoint.momentums[name], checkpoint.velocities[name]), strict=True))
        powers = (BETA1 ** (checkpoint.updates + 1), BETA2 ** (checkpoint.updates + 1))
        self.assign({**own, **dict(zip(self.description.powers, powers, strict=True))})

    def put_into(self, model: Model) -> None:
        """Copy the graph's weights into a model."""
        variables = model.variables_of_2016()
        for name, value in self.values().items():
            variables[name].assign(value)


def on_one_thread() -> None:
    """Make TensorFlow compute on one thread, to fix the order of sums; has no effect once TensorFlow has started."""
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def model_of(description: Description, seed: int = 0) -> Model:
    """Return our model, compiled, with the settings and optimizer of one of the author's graphs; `seed` seeds its noise."""
    build = BUILDS[description.model]
    settings = {"z_dim": description.z_dim, "activation": description.activation, "width": description.width}
    settings |= {"regularization": description.regularization, "seed": seed}
    if build is VariationalAutoEncoder:
        settings |= {"relu_heads": description.relu_heads, "kl_weight": description.kl_weight}
    else:
        settings |= {"mean_loss": description.mean_loss}
    model = build(**settings)
    adam = layers.adam(description.learning_rate, description.beta1, description.beta2, description.epsilon)
    model.compile(optimizer=adam)
    adam.build(model.trainable_variables)
    return model
