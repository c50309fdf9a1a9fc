"""The author's graph of 2016 as TensorFlow 2.21 runs it, through `tf.compat.v1`: its variables, losses and update.

Only what the losses, the update and the start need is imported (`graph_files.needed`); nothing else in the file can act.
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
from unsupervised_learning.original.graph_files import Graph, needed
from unsupervised_learning.vae import VariationalAutoEncoder

BUILDS = {build.__name__: build for build in (AutoEncoder, VariationalAutoEncoder)}
BATCH = 256  # of the runs whose graph does not tell
RANDOM = ("TruncatedNormal", "RandomStandardNormal")  # the ops that draw numbers


class RunningGraph:
    """One of the author's graphs in a session of its own, on one thread, at the start that its initialisers draw.

    Departs from 2016: its random operations get a seed, because the graphs have none and every draw would be another.

    Args:
        graph: as read from the author's file.
        description: of that graph.
        seed: of its start, and of its noise where none is given.
        as_it_stands: run the graph as it is, as TensorFlow 0.x did. Today's would rewrite it first, to an equal one that is
            faster and rounds otherwise.

    Raises:
        RunError: if TensorFlow does not take the graph.
    """

    def __init__(self, graph: Graph, description: Description, seed: int, as_it_stands: bool = False):
        self.description, self.path = description, graph.path
        targets = [description.update, *description.initializers, *description.losses.values()]
        definition = needed(graph, targets)
        draws = [name for name, node in graph.nodes.items() if node.op in RANDOM]
        for node in definition.node:
            if node.op in RANDOM:
                node.attr["seed"].i, node.attr["seed2"].i = seed, 1 + draws.index(node.name)
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, device_count={"GPU": 0}
        )
        if as_it_stands:
            config.graph_options.rewrite_options.disable_meta_optimizer = True
            config.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
        slots = [slot for pair in description.slots.values() for slot in pair]
        feeds = [name for name in (description.input, description.noise) if name]
        with self.answering(), tf.Graph().as_default() as own:
            tf.import_graph_def(definition, name="")
            self.session = tf.compat.v1.Session(graph=own, config=config)
            self.session.run(description.initializers)
            self.setters = {name: self.setter(name) for name in [*description.variables.values(), *slots, *description.powers]}
            update = own.get_operation_by_name(description.update)
            self.run_update = self.session.make_callable([update], feeds)
            self.run_update_with_own_noise = self.session.make_callable([update], feeds[:1])
            self.run_losses = self.session.make_callable(list(description.losses.values()), feeds)

    def setter(self, name: str) -> tuple[tf.Tensor, tf.Operation]:
        """What takes a variable's new value, and the operation that then sets it."""
        variable = self.session.graph.get_tensor_by_name(f"{name}:0")
        value = tf.compat.v1.placeholder(tf.float32, variable.shape)
        return value, tf.raw_ops.Assign(ref=variable, value=value).op

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn TensorFlow's complaints about the graph into one line.

        Raises:
            RunError: instead of what TensorFlow raises.
        """
        try:
            yield
        except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
            if isinstance(error, RunError):
                raise
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise RunError(f"{self.path}: TensorFlow does not run this graph: {reason}") from None

    def update(self, images: np.ndarray, noise: np.ndarray | None = None) -> None:
        """One update from images [batch, 784] in [0, 1]; a VAE takes the noise [batch, z_dim], or draws its own."""
        with self.answering():
            if noise is None:
                self.run_update_with_own_noise(images)
            else:
                self.run_update(images, noise)

    def losses(self, images: np.ndarray, noise: np.ndarray | None = None) -> dict[str, float]:
        """The losses that the graph logs, of a batch, by our names: means over images, where the graph has one for each."""
        with self.answering():
            values = self.run_losses(images) if noise is None else self.run_losses(images, noise)
        means = (float(np.mean(value, dtype=np.float64)) for value in values)
        return dict(zip(self.description.losses, means, strict=True))

    def values(self) -> dict[str, np.ndarray]:
        """The variables, by the names of `variables_of_2016`."""
        names = self.description.variables
        return dict(zip(names, self.session.run([f"{name}:0" for name in names.values()]), strict=True))

    def assign(self, values: Mapping[str, np.ndarray | float]) -> None:
        """Set variables of the graph, by the graph's own names."""
        operations = [self.setters[name][1] for name in values]
        self.session.run(operations, {self.setters[name][0]: value for name, value in values.items()})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Set the variables and Adam's state to those of a checkpoint of the author's.

        Raises:
            RunError: if it is another model's, or lacks Adam's state.
        """
        shapes = {name: value.shape for name, value in self.values().items()}
        if {name: value.shape for name, value in checkpoint.values.items()} != shapes:
            raise RunError(f"{checkpoint.path} is not of the graph in {self.path}: its variables are others")
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
        """Set a model's weights to the graph's."""
        variables = model.variables_of_2016()
        for name, value in self.values().items():
            variables[name].assign(value)


def on_one_thread() -> None:
    """Have TensorFlow compute on one thread, as the order of sums is then fixed; no longer possible once it has begun."""
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def model_of(description: Description, seed: int = 0) -> Model:
    """Our model with the settings and the optimizer of a graph of the author's, built and compiled; `seed` is of its noise."""
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
