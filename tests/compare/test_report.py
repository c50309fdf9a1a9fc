"""The report, made from records of runs and fake copies of the author's files."""

import re

import numpy as np
import pytest
import tensorflow as tf

from tests.support import Tags, assert_refused, old_event_file, write_dumps, write_events, write_run
from unsupervised_learning.compare import page
from unsupervised_learning.compare.claims import CLAIMS

COMPARE = "unsupervised_learning/compare/__main__.py"


@pytest.fixture
def logs_dir(tmp_path):
    """Runs with the files that the report draws."""
    write_dumps(write_run(tmp_path / "logs", "autoencoder"))
    for name in ("vae_first", "vae_fixed"):
        folder = write_run(tmp_path / "logs", name)
        random = np.random.default_rng(0)
        np.savetxt(
            folder / "z_vae_output.csv", np.column_stack([random.normal(size=(50, 3)), np.arange(50) % 10]), delimiter=","
        )
        (folder / "figures").mkdir()
        (folder / "figures" / "samples.png").write_bytes(picture(300))
        values = {step: random.normal(size=100) for step in (0, 500, 1000)}
        tags = ("encoder/mu/activation", "encoder/log_var/activation", "KL_Divergence")
        write_events(folder, histograms={tag: {step: np.abs(course) for step, course in values.items()} for tag in tags})
    folder = write_run(tmp_path / "logs", "gan")
    tags = ("Discriminator_loss_real", "Discrimintator_loss_fake", "Discriminator_loss", "Generator_loss")
    write_events(folder, {tag: {0: 2.0, 10: 1.0, 15_000: 0.5} for tag in tags})
    return tmp_path / "logs"


@pytest.fixture
def original_logs(tmp_path):
    """Some of the author's files, below folders with other names."""
    folder = tmp_path / "author"
    for name in ("MNIST_AutoEncoder_logs", "MNIST_logs/run2", "MNIST_logs/run5", "GAN_Flowers"):
        (folder / "logs" / name).mkdir(parents=True)
    write_dumps(folder / "logs" / "MNIST_AutoEncoder_logs")
    (folder / "logs" / "MNIST_logs" / "run5" / "checkpoint20000.txt").write_text("of another run")
    old_event_file(folder / "logs" / "MNIST_logs" / "run2" / "events.out.tfevents.1.host")
    (folder / "logs" / "GAN_Flowers" / "sample1.png").write_bytes(picture(64))
    (folder / "logs" / "GAN_Flowers" / "sample10.png").write_bytes(picture(64)[:60])
    (folder / "logs" / "GAN_Flowers" / "sample20.png").write_text("version https://git-lfs.github.com/spec/v1")
    for name in ("mu_var_gradient", "generated_1", "discriminatorLoss"):
        (folder / f"{name}.png").write_bytes(picture(28 if name == "generated_1" else 200))
    return folder


def picture(side):
    return tf.io.encode_png(np.full((side, side, 3), 128, np.uint8)).numpy()


def test_report(logs_dir, original_logs, tmp_path, run_script):
    write_run(logs_dir, "autoencoder", seed=1, comparable_with_2016=False)
    out = tmp_path / "report"
    run = run_script(COMPARE, f"--logs_dir={logs_dir}", f"--original_logs={original_logs}", f"--out={out}")
    assert run.status == 0, run.err
    assert f"4 runs, 1 left out; {len(CLAIMS)} claims: " in run.out
    assert "left out: autoencoder_seed1: trained on mnist; expected all of MNIST" in run.out
    text = (out / "index.html").read_text()
    tags = Tags(text).seen
    images = [attributes for tag, attributes in tags if tag == "img"]
    assert images
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)  # self-contained
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "script" not in {tag for tag, _ in tags}
    captions = {image["alt"] for image in images}
    assert {
        "2016, run 3",
        "ours, seed 0",
        "2016, TensorBoard",
        "2016, first form",
        "2016, discriminator",
        "2016, flowers",
        "Loss",
    } <= captions
    assert "no mu_logvar-gradient2.png in --original_logs" in text
    missing = " ".join(re.findall(r'<p class="none">Missing: [^<]*2016, flowers[^<]*</p>', text))
    assert missing.count("2016, flowers") == 7  # one damaged file, one Git LFS pointer, five missing files
    assert "git clone" not in text
    anchors = {attributes["id"] for _, attributes in tags if attributes.get("id")}
    assert {link[1:] for link in re.findall(r'href="([^"]*)"', text)} <= anchors
    assert "no finished run of autoencoder_linear" in text

    tables = (out / "report.md").read_text()
    rows = [line for line in tables.splitlines() if line.startswith("| ")]
    assert {line.count(" | ") for line in rows} == {4, 6}, rows
    fixed = "133.90 (n = 1) |  | cannot be tested: a verdict needs at least 3 runs; there are 1 |"
    assert f"| The fixed VAE reaches its ELBO of 2016 | 133.65 | {fixed}" in tables
    for path in (out / "figures").iterdir():
        assert tf.io.decode_png(path.read_bytes()).shape[0] == page.HEIGHT + 30
    assert {"autoencoder_scatter_20000", "vae_first_distributions", "gan_losses"} <= {
        p.stem for p in (out / "figures").iterdir()
    }


def test_report_without_runs_or_original_files(tmp_path, run_script):
    (tmp_path / "logs").mkdir()
    run = run_script(COMPARE, f"--logs_dir={tmp_path}/logs", f"--out={tmp_path}/report")
    assert run.status == 0, run.err
    assert f"{len(CLAIMS)} claims: 0 reproduced, 0 differ, {len(CLAIMS)} cannot be tested" in run.out
    assert "needs --original_logs" in (tmp_path / "report" / "index.html").read_text()
    assert not list((tmp_path / "report" / "figures").iterdir())


def test_run_names_are_escaped(tmp_path, run_script):
    write_run(tmp_path / "logs" / "<script>alert(1)<", "autoencoder", iterations=3)
    assert run_script(COMPARE, f"--logs_dir={tmp_path}/logs", f"--out={tmp_path}/report").status == 0
    text = (tmp_path / "report" / "index.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;" in text


def test_invalid_folders_are_refused(tmp_path, run_script):
    (tmp_path / "file").write_text("kept")
    assert_refused(run_script(COMPARE, f"--logs_dir={tmp_path}/no"), "--logs_dir", "no")
    assert_refused(run_script(COMPARE, f"--logs_dir={tmp_path}", f"--original_logs={tmp_path}/no"), "--original_logs", "no")
    assert_refused(run_script(COMPARE, f"--logs_dir={tmp_path}", f"--out={tmp_path}/file"), "--out", "file")
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.slow
def test_damaged_or_missing_run_files_affect_only_their_figure(logs_dir, tmp_path, run_script):
    (logs_dir / "autoencoder_seed0" / "checkpoint0.txt").write_text("1 2\n3")
    (logs_dir / "vae_first_seed0" / "z_vae_output.csv").unlink()
    (logs_dir / "vae_fixed_seed0" / "figures" / "samples.png").write_bytes(b"no picture")
    run = run_script(COMPARE, f"--logs_dir={logs_dir}", f"--out={tmp_path}/report")
    assert run.status == 0, run.err
    text = (tmp_path / "report" / "index.html").read_text()
    for why in ("checkpoint0.txt is not a latent dump", "z_vae_output.csv", "the file is not a picture"):
        assert why in text


@pytest.mark.slow
def test_runs_that_no_claim_uses_stand_beside_a_finished_one(logs_dir, tmp_path, run_script):
    write_events(logs_dir / "autoencoder_seed0", {"Loss": {0: 80.0, 100: 8.0, 20_000: 4.5}})
    flat = write_run(logs_dir / "mine", "autoencoder", settings={"z_dim": 2}, test_l2=7.25)
    write_events(flat, {"Loss": {0: 80.0, 100: 9.0}})
    (flat / "figures").mkdir()
    (flat / "figures" / "samples.png").write_bytes(picture(200))
    stopped = write_run(logs_dir / "mine", "vae_fixed", seed=1)
    write_events(stopped, {"total_loss": {0: 500.0}})
    (stopped / "results.json").unlink()
    assert run_script(COMPARE, f"--logs_dir={logs_dir}", f"--out={tmp_path}/report").status == 0
    text = (tmp_path / "report" / "index.html").read_text()
    section = text[text.index('<h2 id="unfinished">') : text.index('<h2 id="claims">')]
    assert "Logged up to iteration 100: no claim needs these settings: z_dim=2" in section
    assert "On its test set: L2 loss 7.25 (reference: 4.45), kNN accuracy 0.82 (reference: 0.82)." in section
    assert "Logged up to iteration 0: not finished: no results.json." in section
    assert "It has no results on the test set yet." in section
    alts = [attributes["alt"] for tag, attributes in Tags(section).seen if tag == "img"]
    assert alts == ["yours", "yours: from random z", "yours"]


@pytest.mark.slow
def test_sections_tell_what_their_claims_found(logs_dir, tmp_path, run_script):
    assert run_script(COMPARE, f"--logs_dir={logs_dir}", f"--out={tmp_path}/report").status == 0
    text = (tmp_path / "report" / "index.html").read_text()
    number = next(n for n, claim in enumerate(CLAIMS, start=1) if claim.text == "The KL must not be negative")
    answer = (
        f'<a href="#claim-{number}">The KL must not be negative</a>. 2016: the post asks how to enforce it. Ours: at least '
    )
    assert answer in text[text.index('id="negative-kl"') : text.index('<h2 id="gan">')]
    row = text[text.index(f'<tr id="claim-{number}">') :]
    assert (
        row.index("<summary>how</summary>")
        < row.index("reproduced if it is never below 0")
        < row.index("<span>train_vae.py</span>")
    )
