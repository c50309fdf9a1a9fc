"""Evaluates a finished run: figures, measures, and an HTML page that explains them and lets one play with the model.

    python -m unsupervised_learning.explore LOGS_DIR [--data_dir=DIR] [--only=PART,…] [--skip=PART,…] [--seed=0]
    python -m unsupervised_learning.explore LOGS_DIR LOGS_DIR … [--data_dir=DIR] [--out=DIR]

Reads the run's config.json, weights and data, and writes to LOGS_DIR/explore/: `index.html` (self-contained),
`evaluation.json`, `figures/`, `latent_scatter.html`, and in `tensorboard/` an event file that shows the figures and the main
numbers in TensorBoard. Running it again replaces these files; the same flags give the same numbers.

Several autoencoders and VAEs stand side by side on one page to play with: `explore/index.html` beside the first of them.
"""

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

import io
import os
import shutil
import sys
import time
import uuid
from pathlib import Path

from absl import flags
from tqdm import tqdm

from unsupervised_learning import atomic_files
from unsupervised_learning.compare import page
from unsupervised_learning.errors import RunError
from unsupervised_learning.explore import gan_parts, gan_play, interactive, latent_parts, play, rendering, vae_parts
from unsupervised_learning.explore.subject import GAN, Found, Part, Sizes, Subject
from unsupervised_learning.monitoring.event_files import viewer
from unsupervised_learning.training import command_line, finished_run
from unsupervised_learning.training.finished_run import FinishedRun

FLAGS = flags.FLAGS
PARTS = (*play.PARTS, *gan_play.PARTS, *latent_parts.PARTS, *vae_parts.PARTS, *gan_parts.PARTS)  # in the order of the page
NAMES = list(dict.fromkeys(part.name for part in PARTS))


# Choosing parts


def chosen_parts(model: str) -> list[Part]:
    """The parts that apply to a model and are selected by --only and --skip.

    Raises:
        RunError: a part is unknown or does not apply to the model, or no part is left.
    """
    fitting = [part for part in PARTS if model in part.models]
    names = [part.name for part in fitting]
    for flag in ("only", "skip"):
        for name in FLAGS[flag].value or ():
            if name not in names:
                reason = f"not a part for {model}" if name in NAMES else "unknown"
                raise RunError(f"--{flag} must list parts among {','.join(names)}. Received: {name}, which is {reason}")
    left = [part for part in fitting if part.name in (FLAGS.only or names) and part.name not in (FLAGS.skip or ())]
    if not left:
        raise RunError(
            f"--only and --skip must leave at least one of {','.join(names)}. Received: --only={FLAGS.only} --skip={FLAGS.skip}"
        )
    return left


# Running the parts


class ProgressLine:
    """Shows the current part and its progress on one line; without a terminal, prints one line per finished part."""

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
        """Start showing a part."""
        self.part, self.began = part, time.monotonic()
        self.bar.set_description_str(part)

    def tell(self, what: str, done: int, total: int) -> None:
        """Show the progress of the current part, at most five times a second."""
        now = time.monotonic()
        self.bar.set_description_str(f"{self.part}: {what} {done / max(total, 1):.0%}", refresh=now - self.shown > 0.2)
        self.shown = now if now - self.shown > 0.2 else self.shown

    def end(self) -> None:
        """Count the current part as done."""
        self.bar.update(1)
        if not self.terminal:
            print(f"{self.part}: {time.monotonic() - self.began:.1f} s", flush=True)

    def __enter__(self):
        """Do nothing: the line appears with the first part."""
        return self

    def __exit__(self, *_):
        """Clear the description and end the line."""
        self.bar.set_description_str("")
        self.bar.close()


def run_parts(subject: Subject, parts: list[Part]) -> tuple[dict[str, tuple[Part, Found]], dict[str, str]]:
    """Run the parts; returns the findings, and the reasons why other parts do not apply to this run, by part name."""
    found, left_out = {}, {}
    with ProgressLine(len(parts)) as progress:
        subject.tell = progress.tell
        for part in parts:
            progress.begin(part.name)
            if reason := part.reason(subject):
                left_out[part.name] = reason
            else:
                found[part.name] = part, part.find(subject)
            progress.end()
    return found, left_out


def write(target: Path, subject: Subject, found: dict[str, tuple[Part, Found]], left_out: dict[str, str]) -> None:
    """Write everything on a run to `target`."""
    files = {
        rendering.file_name(picture): rendering.encoded(picture)
        for _, finding in found.values()
        for picture in finding.pictures
    }
    with atomic_files.written_anew(target, f"new-{target.name}-{uuid.uuid4().hex}") as new:
        (new / "figures").mkdir(parents=True)
        for name, content in files.items():
            (new / "figures" / name).write_bytes(content)
        atomic_files.write_json(new / "evaluation.json", rendering.evaluation(subject, found, left_out))
        (new / "index.html").write_text(rendering.document(subject, found, files, left_out))
        if "scatter" in found:
            part, finding = found["scatter"]
            title = f"{part.title}: {subject.run.path.resolve().name}"
            (new / "latent_scatter.html").write_text(page.document(title, finding.widget, interactive.style()))
        # Two levels below the run: TensorBoard's projector looks for checkpoints one level above an event file.
        (new / "tensorboard").mkdir()
        rendering.write_events(new / "tensorboard", subject.run.results["iterations"], found, files)


def main(arguments: list[str]) -> int:
    """Evaluate a run, or set several side by side; returns the exit status."""
    if not arguments:
        raise RunError("expects one LOGS_DIR, the folder of a finished run, or several. Received: nothing")
    runs = [finished(command_line.path_of(argument)) for argument in arguments]
    if len(runs) > 1:
        return side_by_side(runs)
    (run,) = runs
    parts = chosen_parts(run.model_name)
    target = output_folder(run.path / "explore")
    subject = subject_of(run)
    try:
        found, left_out = run_parts(subject, parts)
    except ValueError as error:  # raised by `evaluation` for unusable weights
        raise RunError(f"{run.path} cannot be evaluated: {error}") from None
    write(target, subject, found, left_out)
    for name, why in left_out.items():
        print(f"left out: {name}: {why}")
    print(f"The page is {target / 'index.html'}; to see it in TensorBoard: {viewer(run.path.parent)}")
    return 0


def side_by_side(runs: list[FinishedRun]) -> int:
    """Write a page with several runs to play with; returns the exit status.

    Raises:
        RunError: a run is a GAN, or was trained on other data than the first, or parts were chosen.
    """
    if FLAGS.only or FLAGS.skip:
        raise RunError(
            "--only and --skip choose parts of one run's page. Received: several LOGS_DIR, which only stand side by side"
        )
    first = runs[0]
    for run in runs:
        if run.model_name == GAN:
            raise RunError(f"only autoencoders and VAEs stand side by side. Received: {run.path}, a run of {run.model_name}")
        if run.config["data"]["checksum"] != first.config["data"]["checksum"]:
            raise RunError(f"runs side by side must have the same data. Received: {first.path} and {run.path}, which differ")
    target = output_folder(Path(os.path.abspath(first.path)).parent / "explore")
    names = [str(run.path) for run in runs]
    try:
        content = play.document([subject_of(run) for run in runs])
    except RunError:
        raise
    except ValueError as error:  # raised for unusable weights
        raise RunError(f"{', '.join(names)} cannot be set side by side: {error}") from None
    with atomic_files.written_anew(target, f"new-{target.name}-{uuid.uuid4().hex}") as new:
        new.mkdir(parents=True)
        (new / "index.html").write_text(content)
        atomic_files.write_json(new / "evaluation.json", {"side_by_side": names})
    print(f"The page is {target / 'index.html'}")
    return 0


def finished(path: Path) -> FinishedRun:
    """Read a run; an error names its folder."""
    if not (path / "config.json").exists():
        raise RunError(f"LOGS_DIR must be the folder of a run. Received: {path}, which has no config.json")
    try:
        return finished_run.read(path)
    except RunError as error:
        raise RunError(f"{path}: {error}") from None


def output_folder(usual: Path) -> Path:
    """The folder to write, from --out or else `usual`.

    Raises:
        RunError: it holds something else, such as a run: the small copies in logs/reference may have an evaluation.json too.
    """
    target = command_line.path_of(FLAGS.out).resolve() if FLAGS.out else usual
    if target.exists() and ((target / "config.json").exists() or not (target / "evaluation.json").exists()):
        raise RunError(f"{target} exists and was not written by this command; choose another --out")
    return target


def subject_of(run: FinishedRun) -> Subject:
    """Load a run's model and data."""
    sizes = Sizes(tuple(draws()), FLAGS.images, FLAGS.dots, FLAGS.samples)
    folders = {name: FLAGS[name].value for name in ("data_dir", "image_dir", "cache_dir")}
    return Subject(run, run.model(), run.dataset(**folders), FLAGS.seed, sizes, FLAGS.cache_dir)


def draws() -> list[int]:
    """The numbers in --draws.

    Raises:
        RunError: they are not increasing integers from 1 on.
    """
    try:
        numbers = [int(number) for number in FLAGS.draws]
    except ValueError:
        numbers = []
    if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise RunError(f"--draws must be increasing integers from 1 on, as in 1,50,1000. Received: {','.join(FLAGS.draws)}")
    return numbers


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_list("only", None, f"Parts to run, among {', '.join(NAMES)}; by default all that apply.")
    flags.DEFINE_list("skip", None, "Parts to skip.")
    flags.DEFINE_integer("seed", 0, "Seed of all random numbers, except in the page's interactive parts.", 0, 2**31 - 1)
    flags.DEFINE_string("data_dir", None, "Folder of the data set; by default as in config.json.")
    flags.DEFINE_string("image_dir", None, "Folder of pictures; by default as in config.json.")
    flags.DEFINE_string("cache_dir", None, "Cache folder for decoded pictures and the digit classifier.")
    flags.DEFINE_string(
        "out", None, "Output folder; by default LOGS_DIR/explore, or for several runs explore beside the first."
    )
    for folder in ("data_dir", "image_dir", "cache_dir", "out"):
        command_line.require_path(folder)
    flags.DEFINE_list("draws", ["1", "10", "50", "200", "1000"], "VAE: numbers of draws for the importance-weighted bound.")
    flags.DEFINE_integer("images", 10_000, "VAE: number of test images for the bound, taken from the start.", 1)
    flags.DEFINE_integer("samples", None, "GAN: number of images to generate and judge; by default depends on their size.", 2)
    flags.DEFINE_integer("dots", 5_000, "Number of codes in the interactive scatter.", 1, 20_000)


if __name__ == "__main__":
    define_flags()
    command_line.launch(main, positional=True)
