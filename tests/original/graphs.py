"""Build graphs like the author's 2016 code."""

import itertools
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2

v1 = tf.compat.v1
ACTIVATIONS = {
    "relu": tf.nn.relu,
    "elu": tf.nn.elu,
    "lrelu": lambda x: tf.maximum(0.2 * x, x),
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "linear": lambda x: x,
}
RENAMED = {"VariableV2": "Variable", "AddV2": "Add", "RealDiv": "Div", "SelectV2": "Select"}


def variable(name, shape, stddev, bias):
    start = tf.random.truncated_normal(shape, stddev=stddev) if len(shape) > 1 else tf.constant(bias, shape=shape)
    made = v1.Variable(start, name=name, use_resource=False)
    v1.summary.histogram(name, made)
    return made


def dense(x, number, sizes, activation, stddev=0.1, bias=0.1, stem=("W_fc", "b_fc")):
    weights = variable(f"{stem[0]}{number}", list(sizes), stddev, bias)
    biases = variable(f"{stem[1]}{number}", [sizes[1]], stddev, bias)
    return ACTIVATIONS[activation](tf.matmul(x, weights) + biases), [weights, biases]


def build_ae(
    z_dim=3, activation="tanh", code=None, regularization=1e-4, divisor=784.0, learning_rate=1e-3, width=50, stddev=0.1,
    bias=0.1, odd_bias=None, only_weights=False, beta1=0.9, sizes=None, extra=None,
):  # fmt: skip
    """Build the graph of `AutoEncoder_MNIST.py`, with today's TensorFlow operations."""
    images = v1.placeholder(tf.float32, [None, 784], name="Placeholder")
    sizes = sizes or [784, width, width, z_dim, width, width, 784]
    x, variables = images, []
    for number, pair in enumerate(itertools.pairwise(sizes), start=1):
        last, is_code = number == len(sizes) - 1, number == 3
        chosen = "linear" if last else (code or activation) if is_code else activation
        x, made = dense(x, number, pair, chosen, stddev, odd_bias if odd_bias is not None and number == 2 else bias)
        variables += made
    loss = tf.nn.l2_loss(x - images) / divisor
    if regularization:
        loss += regularization * tf.add_n(
            [tf.nn.l2_loss(each) for each in variables if not only_weights or len(each.shape) > 1]
        )
    if extra is not None:
        loss += extra(x)
    v1.summary.scalar("Loss", loss)
    v1.train.AdamOptimizer(learning_rate, beta1).minimize(loss)
    return loss


def build_vae(
    z_dim=3, activation="relu", heads="linear", regularization=1e-5, constant=1.0, kl_weight=1.0, batch=None,
    learning_rate=1e-3, width=50, mean=True, half=lambda log_var: 0.5 * log_var, unused=True,
):  # fmt: skip
    """Build the graph of `VariationalAutoEncoder_MNIST.py`, in either form."""
    images = v1.placeholder(tf.float32, [None, 784], name="input_image")
    stem, variables = ("encoder/W_fc", "encoder/b_fc"), []
    x, made = dense(images, 1, (784, width), activation, stem=stem)
    if unused:
        tf.nn.elu(x)
        tf.tanh(x)
    variables += made
    x, made = dense(x, 2, (width, width), activation, stem=stem)
    variables += made
    mu, made = dense(x, 3, (width, z_dim), heads, stem=stem)
    variables += made
    log_var, made = dense(x, 4, (width, z_dim), heads, stem=stem)
    variables += made
    z = mu + tf.exp(half(log_var)) * tf.random.normal(tf.shape(mu), name="epsilon")
    for number, pair in enumerate([(z_dim, width), (width, width), (width, 784)], start=1):
        z, made = dense(z, number, pair, activation if number < 3 else "linear", stem=("decoder/Wd_fc", "decoder/bd_fc"))
        variables += made
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(logits=z, labels=images, name="entropy_loss")
    inner = constant + log_var - mu**2 - tf.exp(log_var)
    if batch:
        first, second = tf.reduce_sum(entropy, [0, 1]) / batch, -0.5 * tf.reduce_sum(inner, [0, 1]) / batch
    else:
        first, second = tf.reduce_sum(entropy, 1), -0.5 * tf.reduce_sum(inner, 1)
    loss = first + (second if kl_weight == 1 else kl_weight * second)
    if not batch:
        loss = tf.reduce_mean(loss, [0]) if mean else tf.reduce_sum(loss, [0])
    loss += regularization * tf.add_n([tf.nn.l2_loss(each) for each in variables])
    v1.summary.scalar("total_loss", loss)
    v1.train.AdamOptimizer(learning_rate).minimize(loss)
    return loss


def graph_def(build, of_2016=False, **options) -> graph_pb2.GraphDef:
    """Build a graph; `of_2016` renames operations to 2016's, and lets the gradients compute the loss's shape as in 2016."""
    with tf.Graph().as_default() as graph:
        loss = build(**options)
    result = graph.as_graph_def()
    result.versions.producer = 10 if of_2016 else result.versions.producer
    for node in result.node:
        if not of_2016:
            break
        node.op = RENAMED.get(node.op, node.op)
        if node.name == "gradients/Shape":
            dtype = node.attr["dtype"].type
            node.op, node.input[:] = "Shape", [loss.op.name]
            node.attr.clear()
            node.attr["T"].type, node.attr["out_type"].type = tf.float32.as_datatype_enum, dtype
    return result


def meta(path, graph) -> Path:
    path.write_bytes(meta_graph_pb2.MetaGraphDef(graph_def=graph).SerializeToString())
    return path
