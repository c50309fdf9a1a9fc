"""Looks inside a finished run: figures, measures, and one HTML page that explains them.

    python -m unsupervised_learning.explore LOGS_DIR [--data_dir=DIR] [--only=PART,…] [--skip=PART,…] [--seed=0]

Reads the run's config.json, its weights and the data that it was trained on, and writes to LOGS_DIR/explore/: `index.html`,
which needs nothing else; `evaluation.json`; `figures/`; `latent_scatter.html`; and an event file, so that TensorBoard shows the
same under `explore/…`. All of it is replaced by the next look. The same look finds the same numbers.
"""

import io
import os
import shlex
import shutil
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from absl import flags
from tqdm import tqdm

from unsupervised_learning import atomic_files
from unsupervised_learning.compare import page
from unsupervised_learning.data import binarization, mnist, pictures
from unsupervised_learning.errors import RunError
from unsupervised_learning.explore import gan_parts, interactive, latent_parts, rendering, vae_parts
from unsupervised_learning.explore.subject import Finding, Json, Part, Sizes, Subject
from unsupervised_learning.reproduce.experiments import SCRIPTS
from unsupervised_learning.training import checkpoints, command_line, loop
from unsupervised_learning.training.run_directory import recorded

FLAGS = flags.FLAGS
# In the page's order.
PARTS = (*latent_parts.PARTS, *vae_parts.PARTS, *gan_parts.PARTS)
NAMES = list(dict.fromkeys(part.name for part in PARTS))


# What to look at


def read_run(path: Path) -> tuple[Json, Json]:
    """A finished run's config.json and results.json.

    Raises:
        RunError: if it is not such a run.
    """
    if not path.is_dir():
        raise RunError(f"LOGS_DIR must be the folder of a run. Received: {path}")
    if not (path / "config.json").exists():
        raise RunError(f"LOGS_DIR must be the folder of a run. Received: {path}, where there is no config.json")
    config = recorded(path)
    if config["model"] not in SCRIPTS:
        raise RunError(f"{path} holds a run of {config['model']}; expected one of {', '.join(SCRIPTS)}")
    try:
        results = atomic_files.read_json(path / "results.json")
        return config, {**results, "iterations": int(results["iterations"])}
    except FileNotFoundError:
        raise RunError(f"{path} is not finished: no results.json. To go on with it: {command_of(config)}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}/results.json is not a run's ({type(error).__name__}: {error})") from None


def command_of(config: Json) -> str:
    """The command that made a run."""
    return str(config.get("command", "its command is not recorded"))


def load_model(path: Path, config: Json) -> Any:
    """The run's model with its weights: from model.keras, or else from the newest checkpoint.

    Raises:
        RunError: if there are none, or they cannot be read.
    """
    build, saved = SCRIPTS[config["model"]].model, path / "model.keras"
    if saved.exists():
        try:
            model = keras.models.load_model(saved, compile=False, safe_mode=True)
        except Exception as error:  # a damaged file surfaces as anything from BadZipFile to TypeError
            raise RunError(f"cannot read {saved}: {type(error).__name__}: {error}".splitlines()[0]) from None
        if not isinstance(model, build):
            raise RunError(f"{saved} is a {type(model).__name__}, where config.json says {config['model']}")
        return model
    model = loop.rebuilt(build, config["settings"])
    if checkpoints.restore_newest(tf.train.Checkpoint(model=model), path) is None:
        raise RunError(
            f"{path} has no weights, neither model.keras nor a checkpoint; this makes a run with them: {command_of(config)}"
        )
    return model


def load_data(path: Path, config: Json) -> mnist.Dataset:
    """What the run was trained on: from the flags, or else from where its command says.

    Raises:
        RunError: if it cannot be had.
        RunError: if it is other data.
    """
    described = config["data"]
    folders = {name: FLAGS[name].value or recorded_folder(config, name) for name in ("data_dir", "image_dir", "cache_dir")}
    if described["name"] in mnist.DATASETS:
        dataset = binarization.binarized(mnist.load(described["name"], folders["data_dir"]), described["binarize"])
    else:
        dataset = pictures.load(described["name"], folders["image_dir"], folders["data_dir"], folders["cache_dir"])
    if dataset.checksum != described["checksum"]:
        raise RunError(
            f"{path} was trained on other data: {described['name']} from {described['source']} there, {dataset.name} from "
            f"{dataset.source} here, with another checksum. Give the --data_dir or --image_dir of then"
        )
    return dataset


def recorded_folder(config: Json, flag: str) -> str | None:
    """The folder that the run's command gave for a flag, if it is there."""
    words = shlex.split(str(config.get("command", "")))
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        value = value if equals else following
        if name.lstrip("-") == flag and Path(value).is_dir():
            return value
    return None


def chosen_parts(model: str) -> list[Part]:
    """The parts that --only and --skip leave for a model.

    Raises:
        RunError: for a part that there is not, and if none is left.
    """
    fitting = [part for part in PARTS if model in part.models]
    names = [part.name for part in fitting]
    for flag in ("only", "skip"):
        for name in FLAGS[flag].value or ():
            if name not in names:
                reason = f"not one of {model}'s" if name in NAMES else "unknown"
                raise RunError(f"--{flag} takes some of {','.join(names)}. Received: {name}, which is {reason}")
    left = [part for part in fitting if part.name in (FLAGS.only or names) and part.name not in (FLAGS.skip or ())]
    if not left:
        raise RunError(
            f"--only and --skip must leave some of {','.join(names)}. Received: --only={FLAGS.only} --skip={FLAGS.skip}"
        )
    return left


# Looking


class Progress:
    """One line: the part that is being done and how far it is. Where output is not a terminal, a line for each part."""

    def __init__(self, total: int):
        self.terminal = sys.stdout.isatty()
        self.bar = tqdm(
            total=total,
            file=sys.stdout if self.terminal else io.StringIO(),
            ncols=shutil.get_terminal_size().columns if self.terminal else 100,
            bar_format="{n_fmt}/{total_fmt} |{bar:10}| {elapsed} {desc}",
        )
        self.part, self.began, self.shown = "", time.monotonic(), 0.0

    def begin(self, part: str) -> None:
        """Say which part is coming."""
        self.part, self.began = part, time.monotonic()
        self.bar.set_description_str(part)

    def tell(self, what: str, done: int, total: int) -> None:
        """Say how far it is."""
        now = time.monotonic()
        self.bar.set_description_str(f"{self.part}: {what} {done / max(total, 1):.0%}", refresh=now - self.shown > 0.2)
        self.shown = now if now - self.shown > 0.2 else self.shown

    def end(self) -> None:
        """Say that it is done."""
        self.bar.update(1)
        if not self.terminal:
            print(f"{self.part}: {time.monotonic() - self.began:.1f} s", flush=True)

    def __enter__(self):
        """Nothing to do: the line appears with the first part."""
        return self

    def __exit__(self, *_):
        """Leave the line as it is and go to the next."""
        self.bar.set_description_str("")
        self.bar.close()


def look(subject: Subject, parts: list[Part]) -> tuple[dict[str, tuple[Part, Finding]], dict[str, str]]:
    """Do the parts: what each found, and why others do not fit this run."""
    found, left_out = {}, {}
    with Progress(len(parts)) as progress:
        subject.tell = progress.tell
        for part in parts:
            progress.begin(part.name)
            if reason := part.reason(subject):
                left_out[part.name] = reason
            else:
                found[part.name] = part, part.find(subject)
            progress.end()
    return found, left_out


def write(target: Path, subject: Subject, found: dict[str, tuple[Part, Finding]], left_out: dict[str, str]) -> None:
    """Write everything to a new folder, and put it in the place of an earlier look's."""
    new = target.with_name(f"new-{target.name}-{uuid.uuid4().hex}")
    files = {
        rendering.file_name(picture): rendering.encoded(picture)
        for _, finding in found.values()
        for picture in finding.pictures
    }
    try:
        (new / "figures").mkdir(parents=True)
        for name, content in files.items():
            (new / "figures" / name).write_bytes(content)
        atomic_files.write_json(new / "evaluation.json", rendering.evaluation(subject, found, left_out))
        (new / "index.html").write_text(rendering.document(subject, found, files, left_out))
        for part, finding in found.values():
            if finding.widget:
                alone = page.document(f"{part.title}: {subject.path.resolve().name}", finding.widget, interactive.style())
                (new / "latent_scatter.html").write_text(alone)
        rendering.write_events(new, subject.results["iterations"], found, files)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Look at a run; returns the exit status."""
    if len(arguments) != 1:
        raise RunError(f"takes one LOGS_DIR, the folder of a finished run. Received: {' '.join(arguments) or 'nothing'}")
    path = Path(arguments[0]).expanduser()
    config, results = read_run(path)
    parts = chosen_parts(config["model"])
    target = Path(FLAGS.out).expanduser() if FLAGS.out else path / "explore"
    if target.exists() and not (target / "evaluation.json").exists():
        raise RunError(f"{target} is there already and is no earlier look; choose another --out")
    sizes = Sizes(tuple(draws()), FLAGS.images, FLAGS.dots, FLAGS.samples)
    model = load_model(path, config)
    dataset = load_data(path, config)
    subject = Subject(path, config, results, model, dataset, FLAGS.seed, sizes, FLAGS.cache_dir)
    try:
        found, left_out = look(subject, parts)
    except ValueError as error:  # evaluation's word for weights that are no good
        raise RunError(f"{path} cannot be evaluated: {error}") from None
    write(target, subject, found, left_out)
    for name, why in left_out.items():
        print(f"left out: {name}: {why}")
    print(f"The page is {target / 'index.html'}; the same in TensorBoard: tensorboard --logdir {path.parent}")
    return 0


def draws() -> list[int]:
    """--draws as rising numbers.

    Raises:
        RunError: if it is not such.
    """
    try:
        numbers = [int(number) for number in FLAGS.draws]
    except ValueError:
        numbers = []
    if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise RunError(f"--draws must be rising whole numbers from 1 on, as in 1,50,1000. Received: {','.join(FLAGS.draws)}")
    return numbers


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_list("only", None, f"Parts to do, of {', '.join(NAMES)}; all that fit if not given.")
    flags.DEFINE_list("skip", None, "Parts to leave out.")
    flags.DEFINE_integer("seed", 0, "Seed of all chance.", 0, 2**31 - 1)
    flags.DEFINE_string("data_dir", None, "Folder of the run's data set, where its command does not say.")
    flags.DEFINE_string("image_dir", None, "The same of a folder of pictures.")
    flags.DEFINE_string("cache_dir", None, "Where decoded pictures and the classifier of digits are kept.")
    flags.DEFINE_string("out", None, "Folder to write; LOGS_DIR/explore if not given.")
    flags.DEFINE_list("draws", ["1", "10", "50", "200", "1000"], "Of a VAE: numbers of draws for its bound.")
    flags.DEFINE_integer("images", 10_000, "Of a VAE: test images for its bound, the first ones.", 1)
    flags.DEFINE_integer("samples", None, "Of a GAN: images to make and judge; by its images' size if not given.", 2)
    flags.DEFINE_integer("dots", 5_000, "Codes in the scatter to turn.", 1, 20_000)


if __name__ == "__main__":
    define_flags()
    command_line.launch(main, positional=True)
