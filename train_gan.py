"""Trains the 2016 post's DCGAN: on MNIST or other digits at 28×28, on flowers, faces or a folder of pictures at 64×64.

Writes TensorBoard summaries, checkpoints, generated images and results to --logs_dir. Run it again to go on.
"""

from absl import flags

from unsupervised_learning import command_line, data, gan, layers, outputs, pictures, summaries, training

FLAGS = flags.FLAGS
LOGS = {"mnist": "MNIST", "auto": "MNIST", "tf_flowers": "Flowers", "celeb_a": "CelebA"}  # logs/<this>_GAN_logs/


def main() -> int:
    """Train as the flags say."""
    name = "pictures" if FLAGS.image_dir and FLAGS.dataset == "auto" else FLAGS.dataset
    large = name in (*pictures.PICTURE_SETS, "pictures")
    FLAGS.set_default("logs_dir", f"logs/{LOGS.get(name, name)}_GAN_logs/")
    for setting, value in gan.RECIPES[FLAGS.recipe].items():
        FLAGS.set_default(setting, value)

    arguments = {argument: FLAGS[argument].value for argument in gan.ARGUMENTS if argument in FLAGS}
    model = gan.DCGAN(64 if large else 28, 3 if large else 1, **arguments)
    model.compile(*(layers.adam(FLAGS.learning_rate, FLAGS.beta1) for _ in range(2)))
    experiment = training.Experiment(
        name="GAN",
        scale=model.scale,
        record=summaries.gan_record,
        record_every=10,  # 2016
        extras=summaries.gan_extras,
        extras_every=100,  # our choice
        write_outputs=outputs.write_gan,
        checkpoint_every=500,  # 2016
        most_in_a_call=2,
        jit_compile=False,  # XLA's convolutions are several times slower than oneDNN's on a CPU
    )
    if large:
        return training.run(model, experiment, lambda: pictures.load(name, FLAGS.image_dir, FLAGS.data_dir))
    return training.run(model, experiment, lambda: data.load(FLAGS.dataset, FLAGS.data_dir))


if __name__ == "__main__":
    command_line.define_flags(
        logs_dir="logs/MNIST_GAN_logs/",
        max_iterations=15_001,
        batch_size=64,
        learning_rate=2e-4,
        z_dim=100,
        datasets=(*data.DATASETS, *pictures.PICTURE_SETS),
    )
    flags.DEFINE_enum("recipe", "dcgan", list(gan.RECIPES), "The recipe.")
    flags.DEFINE_float("beta1", 0.5, "Adam's beta1.")
    flags.DEFINE_string("feature_matching", "0.1", "Weight.")
    flags.DEFINE_integer("generator_steps", 2, "G", 1)
    flags.DEFINE_integer("discriminator_every", 1, "D", 1)
    flags.DEFINE_enum("initializer", "truncated_normal", list(layers.INITIALIZERS), "Init")
    flags.DEFINE_float("bn_decay", 0.9, "Decay")
    flags.DEFINE_bool("divide_twice", False, "bug")
    flags.DEFINE_string("image_dir", None, "Folder of pictures")
    command_line.launch(main)
