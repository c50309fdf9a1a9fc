"""Verdicts on the claims, from run folders that hold only records."""

import json
import shutil

import numpy as np
import pytest

from tests.support import write_dumps, write_events, write_graph_run, write_run
from unsupervised_learning.compare import claims, judgements
from unsupervised_learning.compare.judgements import CANNOT, DIFFERS, REPRODUCED, Comparison
from unsupervised_learning.evaluation import statistics
from unsupervised_learning.reproduce import experiments
from unsupervised_learning.reproduce.experiments import Runs

LOG_VAR = "encoder/log_var/activation"


def finding(part, runs):
    [claim] = [claim for claim in claims.CLAIMS if part in claim.text]
    return claim.find(runs)


def test_claims_without_runs_cannot_be_tested():
    for claim in claims.CLAIMS:
        found = claim.find(Runs({}))
        assert (found.verdict, found.ours) == (CANNOT, "–")
        assert all(name in found.why for name in claim.experiments)
        assert claim.command


def test_match_2016():
    ours = [10.0, 10.1, 10.2]
    near = judgements.match_2016(Comparison(10.5, ours, form=".2f"))
    assert (near.ours, near.verdict, near.graph) == ("10.10 ± 0.10 (n = 3)", REPRODUCED, "")
    expected = statistics.predicted(ours, 10.5, judgements.TESTS)
    assert near.why == f"2016 is in {expected.low:.2f} … {expected.high:.2f}, the interval for one more run (p = 0.074)"
    far = judgements.match_2016(Comparison(13.0, ours, form=".2f"))
    assert far.verdict == DIFFERS
    assert far.why.startswith("2016 is outside ")
    assert judgements.match_2016(Comparison(10.1, ours[:2])).why == "a verdict needs at least 3 runs; there are 2"
    assert judgements.match_2016(Comparison(10.1, ours[:2])).verdict == CANNOT


@pytest.mark.parametrize(
    ("graph", "margin", "verdict", "said"),
    [
        ([10.0, 10.1, 10.2], 1.0, REPRODUCED, "equal within ±1"),
        ([10.0, 10.1, 10.2], 0.1, REPRODUCED, "open"),
        ([10.7, 10.7, 10.8], 0.3, REPRODUCED, "differs, perhaps by less than 0.3"),
        ([12.0, 12.1, 12.2], 0.3, DIFFERS, "differs"),  # although 2016's own number is one of ours
    ],
)
def test_our_runs_must_not_differ_from_the_authors_graph(graph, margin, verdict, said):
    found = judgements.match_2016(Comparison(10.1, [10.0, 10.1, 10.2], graph, ".1f"), margin)
    assert (found.verdict, found.graph) == (verdict, f"{np.mean(graph):.1f} ± 0.1 (n = 3)")
    assert f": {said} (p = " in found.why


def test_the_correction_counts_every_comparison(tmp_path):
    """Bonferroni: `TESTS` is the number of comparisons in the whole table."""
    for name, experiment in experiments.EXPERIMENTS.items():
        for seed in range(3):
            folder = write_run(tmp_path, name, seed, **({"mu_alive": 3, "log_var_alive": 0} if name == "vae_first" else {}))
            if experiment.model == "AutoEncoder":
                write_dumps(folder)
                courses = {tag: {9_500: 1.0, 10_500: 1.0} for tag in ("Loss", "Encoder_loss")}
                write_events(folder, courses)
    runs = experiments.find_runs(tmp_path)
    assert sum(len(claim.find(runs).compared) for claim in claims.CLAIMS) == judgements.TESTS


def test_claims_of_the_autoencoder(tmp_path):
    for seed, l2 in enumerate((4.45, 4.50, 4.46)):
        write_dumps(write_run(tmp_path, "autoencoder", seed, test_l2=l2))
    write_run(tmp_path, "autoencoder_linear", test_mse=0.0519, pca_subspace_cosine=0.9999)
    write_run(tmp_path, "autoencoder_wide")
    write_run(tmp_path, "autoencoder_sparse", code_sparsity=0.6)
    runs = experiments.find_runs(tmp_path)
    assert not runs.left_out
    assert finding("autoencoder reconstructs as well", runs).ours == "4.470 ± 0.026 (n = 3)"
    longer = finding("Longer training", runs)
    assert longer.verdict == REPRODUCED
    accuracies = [float(part) for part in longer.ours.removesuffix(" (n = 3)").split(", ")]
    assert accuracies == sorted(accuracies)
    assert accuracies[-1] == pytest.approx(0.85, abs=0.05)
    assert finding("beats PCA", runs).verdict == REPRODUCED
    assert finding("similar to PCA", runs).verdict == REPRODUCED
    assert finding("sparse", runs)[:2] == (
        "with 0.600 (n = 1) and kNN 0.820 (n = 1), without 0.200 (n = 1) and kNN 0.820 (n = 1)",
        REPRODUCED,
    )
    runs["autoencoder_wide"][0].results["code_sparsity"] = 0.55
    assert finding("sparse", runs)[1:3] == (
        DIFFERS,
        "Over all pairs of runs the sparsity rises by 0.050 to 0.050, 0.050 on average.",
    )
    assert finding("clustered", runs).verdict == DIFFERS  # these codes form ten tight clusters
    runs["autoencoder_wide"][0].results["code_sparsity"] = 0.2
    runs["autoencoder_sparse"][0].results["knn_accuracy"] = 0.7
    assert finding("sparse", runs)[1] == DIFFERS
    runs["autoencoder"][0].results["test_mse"] = 0.06
    assert finding("beats PCA", runs).verdict == DIFFERS
    runs["autoencoder_linear"][0].results["test_mse"] = 0.0530  # 2.7 % above PCA's
    assert finding("similar to PCA", runs).verdict == DIFFERS

    runs["autoencoder_sparse"][0].results["code_sparsity"] = None  # all codes zero
    assert finding("sparse", runs).verdict == CANNOT
    del runs["autoencoder_linear"][0].results["pca"]
    damaged = "a record is damaged or from another version (KeyError: 'pca')"
    assert finding("similar to PCA", runs)[:3] == ("–", CANNOT, damaged)
    runs["autoencoder_linear"][0].results.update({"test_mse": 0.0519, "pca": {"test_mse": 0.0516}, "pca_subspace_cosine": 0.5})
    assert finding("similar to PCA", runs).verdict == DIFFERS
    (tmp_path / "autoencoder_seed1" / "checkpoint20000.txt").write_text("1 x")
    assert "is not a latent dump" in finding("clustered", runs).why
    (tmp_path / "autoencoder_seed1" / "checkpoint20000.txt").unlink()
    assert finding("Longer training", runs).ours.endswith(" (n = 2)")
    for seed in (0, 2):
        folder = tmp_path / f"autoencoder_seed{seed}"
        shutil.copy(folder / "checkpoint0.txt", folder / "checkpoint10000.txt")
    assert finding("Longer training", runs).verdict == DIFFERS
    for seed in (0, 2):
        (tmp_path / f"autoencoder_seed{seed}" / "checkpoint1000.txt").unlink()
    assert finding("Longer training", runs)[1:3] == (CANNOT, "no run has all of its checkpoint<step>.txt")


@pytest.mark.parametrize(
    ("name", "claim", "first", "losses"),
    [
        ("autoencoder_run1", "Run 1's loss", 9_000, judgements.RUN1_LOSS),
        ("autoencoder_run2", "Run 2's losses", 10_000, judgements.RUN2_LOSS),
    ],
)
def test_losses_of_the_earlier_runs(name, claim, first, losses, tmp_path):
    folders = [write_run(tmp_path, name, seed) for seed in range(3)]
    runs = experiments.find_runs(tmp_path)
    missing = finding(claim, runs)
    assert missing.verdict == CANNOT
    assert missing.why.startswith(f"the run's event files are missing: nothing was logged at iterations {first:,} to ")
    ends = {10_001: 1.0} if name == "autoencoder_run1" else {12_000: 1.0}
    for folder, factor in zip(folders, (0.98, 1.0, 1.02), strict=True):
        courses = {
            tag: {0: 99.0, first: loss * 0.99 * factor, first + 500: loss * 1.01 * factor, **ends}
            for tag, loss in losses.items()
        }
        write_events(folder, courses)
    assert finding(claim, runs).verdict == REPRODUCED
    means = [f"{loss:.3g} ± {0.02 * loss:.3g} (n = 3)" for loss in losses.values()]
    assert finding(claim, runs).ours == "; ".join(means)


def test_run_4(tmp_path):
    for seed in range(3):
        write_run(tmp_path, "autoencoder_run4", seed, test_l2=judgements.RUN4_L2 + 0.01 * seed)
    assert finding("Run 4", experiments.find_runs(tmp_path)).verdict == REPRODUCED


def test_claims_of_the_vae(tmp_path):
    for seed in (0, 1, 2):
        folder = write_run(tmp_path, "vae_fixed", seed, negative_elbo=133 + seed)
        write_events(folder, histograms={LOG_VAR: {step: [-0.5, -step / 20_000] for step in judgements.LOG_VAR_AT}})
    for weight, kl in (("0.1", 20.0), ("10", 2.0)):
        write_run(tmp_path, f"vae_kl_weight_{weight}", kl=kl)
    runs = experiments.find_runs(tmp_path)
    assert not runs.left_out
    assert finding("The fixed VAE", runs).verdict == REPRODUCED
    fixed = finding("log_var moves away", runs)
    assert fixed.verdict == REPRODUCED
    assert fixed.ours.startswith("−6.1, −5.6, −5.4 (n = 3); median ")
    assert fixed.ours.endswith(" at 0, 1,000, 10,000, 100,000, seed 0")
    dominates = finding("dominates", runs)
    assert dominates[:2] == (
        "6.3 at weight 0.1 (n = 1), 14.8 at weight 1 (n = 3), 62.7 at weight 10 (n = 1)",
        REPRODUCED,
    )
    runs["vae_kl_weight_0.1"][0].results["kl"] = 30.0
    assert finding("dominates", runs).verdict == DIFFERS
    for run in runs["vae_fixed"]:
        run.results["log_var_mean"] = [-5.4, -6.1, -0.2]
    assert finding("log_var moves away", runs).verdict == DIFFERS


def test_claims_of_the_first_vae(tmp_path):
    heads = [(1, 2, 190.6), (3, 0, 175.3), (3, 0, 174.9), (3, 0, 175.1)]
    folders = [
        write_run(
            *(tmp_path, "vae_first", seed),
            negative_elbo=bound,
            mu_alive=mu,
            log_var_alive=log_var,
            log_var_zero_fraction=1.0 if log_var == 0 else 0.2,
        )
        for seed, (mu, log_var, bound) in enumerate(heads)
    ]
    for folder in folders:
        kl = {0: -2.95, 500: -0.5, 1_000: 1.0}
        write_events(folder, {"KL_Divergence": kl}, {LOG_VAR: {step: [float(step == 0)] * 3 for step in judgements.LOG_VAR_AT}})
    runs = experiments.find_runs(tmp_path)
    first = finding("The first VAE (relu", runs)
    assert first.verdict == REPRODUCED
    assert first.ours == "175.10 ± 0.20 (n = 3)"
    assert first.why.startswith("3 of 4 runs have as many heads alive as in 2016; all: 174.9 to 190.6. ")
    assert experiments.as_published(runs["vae_first"]).seed == 1
    ours = "in 3 of 4 runs; median 1.0, 0.0, 0.0, 0.0 at 0, 1,000, 10,000, 100,000 in the run of seed 1"
    assert finding("log_var goes to zero", runs)[:3] == (ours, REPRODUCED, "")
    graph = [write_graph_run(tmp_path, "vae_first", seed, log_var_zero_fraction=seed / 2) for seed in range(3)]
    beside = finding("log_var goes to zero", experiments.find_runs(tmp_path))
    assert beside.why == "in 1 of 3 runs of the author's graph"
    for folder in graph:
        shutil.rmtree(folder)
    negative = finding("ends up with a negative KL", runs)
    assert negative.verdict == REPRODUCED
    assert negative.ours == "−2.95 ± 0.00 (n = 4) at iteration 0, below 0 up to iteration 500 at most"
    positive = write_run(tmp_path / "more", "vae_first", 4)
    write_events(positive, {"KL_Divergence": {0: 0.05}})
    assert finding("ends up with a negative KL", experiments.find_runs(tmp_path)).verdict == DIFFERS
    shutil.rmtree(positive)

    for path in folders[1].glob("events.*"):
        path.unlink()
    assert "lacks event files" in finding("log_var goes to zero", runs).why
    assert finding("ends up with a negative KL", runs).verdict == CANNOT
    none_like = experiments.Runs({**runs, "vae_first": runs["vae_first"][:1]})
    assert finding("The first VAE (relu", none_like).verdict == CANNOT  # of a single run
    for count, verdict in ((3, CANNOT), (18, CANNOT), (19, DIFFERS)):  # that 2016's is the odd one out: 1 in 20
        many = experiments.Runs({**runs, "vae_first": runs["vae_first"][:1] * count})
        assert finding("The first VAE (relu", many).verdict == verdict
    assert experiments.as_published(none_like["vae_first"]).seed == 0


@pytest.mark.parametrize(("runs", "verdict"), [(1, CANNOT), (3, DIFFERS)])
def test_log_var_that_never_dies(runs, verdict, tmp_path):
    for seed in range(runs):
        folder = write_run(tmp_path, "vae_first", seed, log_var_zero_fraction=0.9)
        write_events(folder, histograms={LOG_VAR: {step: [0.0] for step in judgements.LOG_VAR_AT}})
    found = finding("log_var goes to zero", experiments.find_runs(tmp_path))
    assert found.verdict == verdict
    assert found.ours.startswith(f"in 0 of {runs} runs; ")


def write_speed(folder, vae, share=1.0):
    """Write a speed.json: the autoencoder takes 2 s per iteration, the VAE `vae` s without callbacks and 1 s more with them."""
    folder.mkdir(exist_ok=True)
    seconds = {
        "autoencoder": {"ours": [2.0] * len(vae), "ours, no callbacks": [2.0] * len(vae)},
        "vae": {"ours": [one + 1 for one in vae], "ours, no callbacks": vae},
    }
    (folder / "speed.json").write_text(json.dumps({"setting": {"share": share}, "seconds_per_iteration": seconds}))


def test_the_vaes_speed_comes_from_the_benchmark(tmp_path):
    assert finding("faster", Runs({})).why == "no speed.json; the benchmark writes it"
    write_speed(tmp_path / "reference", [2.0, 4.0, 6.0])
    write_speed(tmp_path / "own", [1.0, 1.4, 2.2])
    write_speed(tmp_path / "a", [1.0], share=0.5)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "speed.json").write_text('{"setting": {"share": 1}, "seconds_per_iteration": {"vae": {}}}')
    runs = experiments.find_runs(tmp_path)
    assert runs.left_out.pop("a/speed.json") == "its rounds were shortened to 0.5 of their length"
    assert "not a benchmark of the autoencoder and the VAE" in runs.left_out.pop("b/speed.json")
    assert runs.left_out == {"reference/speed.json": "another speed.json is used"}
    found = finding("faster", runs)
    assert found.verdict == REPRODUCED
    assert found.ours == "0.70 times the autoencoder's (0.50 to 1.10 in 3 rounds); 1.20 with summaries, checkpoints and dumps"
    (tmp_path / "own" / "speed.json").unlink()
    assert finding("faster", experiments.find_runs(tmp_path)).verdict == DIFFERS
    write_speed(tmp_path / "reference", [])
    assert finding("faster", experiments.find_runs(tmp_path)).verdict == CANNOT


@pytest.mark.parametrize(("smallest", "verdict"), [(0.25, REPRODUCED), (0.0, REPRODUCED), (-0.5, DIFFERS)])
def test_kl_not_negative(smallest, verdict, tmp_path):
    for name in ("vae_first", "vae_fixed"):
        folder = write_run(tmp_path, name)
        tag = "ours/kl_of_image" if name == "vae_first" else "KL_Divergence"
        write_events(folder, histograms={tag: {0: [1.0, 2.0], 500: [smallest, 3.0]}})
    write_run(tmp_path, "vae_fixed", seed=1)  # without event files it does not count
    runs = experiments.find_runs(tmp_path)
    assert finding("must not be negative", runs).verdict == verdict
    assert finding("must not be negative", runs).ours == f"at least {smallest:.2g} nats over 8 logged images (n = 2)"


def test_the_gans_course(tmp_path):
    folder = write_run(tmp_path, "gan")
    course = {step: 1.4 - step / 15_000 for step in range(0, 15_001, 500)}
    write_events(folder, {"Discriminator_loss": course, "Generator_loss": {step: 5 + step / 4_000 for step in course}})
    runs = experiments.find_runs(tmp_path)
    found = finding("D's loss falls", runs)
    assert found.verdict == REPRODUCED
    assert found.ours == "D 1.25 in the first 5,000, 0.42 at the end; G 5.6, 8.7 (n = 1)"
    assert found.why == "28×28 digits here, 64×64 faces in 2016."
    flowers = {step: 1.0 if step < 5_000 else 0.5 for step in range(0, 6_001, 50)}
    write_events(write_run(tmp_path, "gan_flowers"), {"Discriminator_loss": flowers, "Generator_loss": flowers})
    assert finding("D's loss falls", experiments.find_runs(tmp_path)).why.endswith(
        "faces in 2016. On flowers at 64×64: D 1.00, at the end 0.50; G 1.0, 0.5 (n = 1)."
    )
    rising = {"Discriminator_loss": {step: 1.4 + step / 15_000 for step in course}}
    write_events(write_run(tmp_path, "gan", 1), {**rising, "Generator_loss": {step: 5 + step / 4_000 for step in course}})
    both = finding("D's loss falls", experiments.find_runs(tmp_path))
    assert both[:2] == ("D 1.40 in the first 5,000, 1.40 at the end; G 5.6, 8.7 (n = 2)", DIFFERS)  # in one of the two


def test_gan_losses_logged_before_the_updates_decide_nothing(tmp_path):
    folder = write_run(tmp_path, "gan")
    write_events(folder, {"Discriminator_loss": {0: 1.0, 15_000: 0.5}, "Generator_loss": {0: 1.0, 15_000: 5.0}})
    config = json.loads((folder / "config.json").read_text())
    del config["settings"]["real_batches"]
    (folder / "config.json").write_text(json.dumps(config))
    found = finding("D's loss falls", experiments.find_runs(tmp_path))
    assert found.verdict == CANNOT
    assert "logged its losses before each update" in found.why


@pytest.mark.parametrize(
    ("spike", "early", "late", "verdict"),
    [(7.0, 1.5, 1.3, REPRODUCED), (7.0, 1.6, 0.9, DIFFERS), (2.0, 1.3, 1.3, DIFFERS)],
)
def test_the_gans_start(spike, early, late, verdict, tmp_path):
    folder = write_run(tmp_path, "gan_flowers")
    steps = range(0, 2001, 50)
    course = {step: spike if step < 100 else early if step < 1000 else late for step in steps}
    runs = experiments.find_runs(tmp_path)
    assert finding("begin with a spike", runs)[:3] == ("–", CANNOT, "the run's event files are missing")
    write_events(folder, {"Discriminator_loss": course, "Generator_loss": dict.fromkeys(steps, 5.5)})
    found = finding("begin with a spike", runs)
    assert found.verdict == verdict
    assert found.ours == f"D up to {spike:.1f}, then {early:.2f} and {late:.2f}; G 5.5 and 5.5 (n = 1)"
