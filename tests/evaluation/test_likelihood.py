"""likelihood.py, checked on VAEs with a known likelihood: in closed form, by quadrature, or by plain NumPy."""

import itertools
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_expit, logsumexp
from scipy.stats import multivariate_normal

from tests.support import constant_vae, dense, linear_vae, some_images
from unsupervised_learning.data import mnist
from unsupervised_learning.data.dataset import to_unit_interval
from unsupervised_learning.evaluation import likelihood, test_set
from unsupervised_learning.original.checkpoints import read_checkpoint
from unsupervised_learning.vae import VariationalAutoEncoder

REAL, REAL_IDX = os.environ.get("ORIGINAL_DIR"), os.environ.get("MNIST_IDX_DIR")
VARIANCE = 0.3  # variance of the linear-Gaussian observations
BASIS = np.array([[0.9, 0.2], [-0.4, 0.6], [0.5, 0.2], [0.0, -1.0], [0.1, 0.35]])  # [pixels, z_dim]
BASIS[:, 1] -= BASIS[:, 0] * (BASIS[:, 0] @ BASIS[:, 1]) / (BASIS[:, 0] @ BASIS[:, 0])  # makes the posteriors diagonal
BIAS = np.array([0.4, 0.5, 0.6, 0.5, 0.3])


def gaussian_log_likelihood(images, decoded):
    """Return log N(image; decoded, VARIANCE)."""
    return -0.5 * tf.reduce_sum(tf.square(images - decoded) / VARIANCE + np.log(2 * np.pi * VARIANCE), axis=-1)


def linear_gaussian(mu_error=0.0, log_var_error=0.0):
    """Return the VAE z ~ N(0, 1), x ~ N(BASIS z + BIAS, VARIANCE), with the exact posterior plus the errors as encoder."""
    precision = 1 + np.sum(np.square(BASIS), axis=0) / VARIANCE  # of the posterior, diagonal
    to_mu = BASIS / VARIANCE / precision

    def encoder(images):
        images = tf.convert_to_tensor(images, tf.float32)
        mu = tf.matmul(images - BIAS.astype(np.float32), tf.constant(to_mu, tf.float32)) + mu_error
        return mu, tf.zeros_like(mu) + tf.constant(-np.log(precision) + log_var_error, tf.float32)

    return SimpleNamespace(encoder=encoder, decoder=dense(BASIS.T, BIAS))


def log_likelihoods(images):
    return multivariate_normal(BIAS, BASIS @ BASIS.T + VARIANCE * np.eye(len(BIAS))).logpdf(images.astype(np.float64))


def gaussian_bounds(model, images, k, **how):
    return likelihood.image_bounds(model, images, k, log_likelihood=gaussian_log_likelihood, **how)


class TestImageBounds:
    def test_exact_posterior_gives_exact_bounds(self):
        images = some_images(30, pixels=5)
        bounds = gaussian_bounds(linear_gaussian(), images, k=(1, 2, 7))
        np.testing.assert_allclose(bounds, np.tile(log_likelihoods(images), (3, 1)), atol=2e-5)

    def test_bounds_rise_with_k_to_the_exact_likelihood(self):
        images = some_images(500, pixels=5)
        bounds = gaussian_bounds(linear_gaussian(mu_error=0.3, log_var_error=0.5), images, k=(1, 3, 10, 100, 1000))
        short = log_likelihoods(images) - bounds  # [k, n]
        means, errors = short.mean(axis=1), short.std(axis=1) / np.sqrt(500)
        # At k = 1 the gap is KL(q || posterior): ½(r + e² / v − 1 − log r) per dimension; r is the ratio of the variances.
        precision, ratio = 1 + np.sum(np.square(BASIS), axis=0) / VARIANCE, np.exp(0.5)
        kl = 0.5 * np.sum(ratio + 0.3**2 * precision - 1 - np.log(ratio))
        assert means[0] == pytest.approx(kl, abs=4 * errors[0])
        assert means[0] > 10 * errors[0]
        assert all(after < before for before, after in itertools.pairwise(means))
        assert abs(means[-1]) < 4 * errors[-1] + 1e-3
        assert (means > -4 * errors).all()  # lower bounds

    def test_bernoulli_decoder_by_quadrature(self):
        rng = np.random.default_rng(0)
        weights, bias = rng.normal(size=(1, 6)), rng.normal(size=6)
        model = constant_vae(mu=[0.2], log_var=[0.3], logits=[0.0] * 6)
        model.decoder = dense(weights, bias)
        images = (some_images(8) > 0.5).astype(np.float32)
        nodes, node_weights = np.polynomial.hermite_e.hermegauss(60)
        logits = nodes[:, None] @ weights + bias  # [nodes, pixels]
        log_p = images @ log_expit(logits).T + (1 - images) @ log_expit(-logits).T  # [n, nodes]
        exact = logsumexp(log_p + np.log(node_weights / np.sqrt(2 * np.pi)), axis=1)
        bounds = likelihood.image_bounds(model, images, k=(20_000,), chunk_size=1000)[0]
        np.testing.assert_allclose(bounds, exact, atol=0.03)

    def test_against_numpy(self):
        model, weights = linear_vae()
        images = some_images(7)
        mu, log_var = (images @ weights[name] + weights[f"{name}_bias"] for name in ("mu", "log_var"))
        for number, bound in enumerate(likelihood.image_bounds(model, images, k=(5,), seed=3)[0]):
            noise = np.random.default_rng([3, number]).standard_normal((5, 2), dtype=np.float32)
            deviation = np.exp(log_var[number] / 2)
            z = mu[number] + deviation * noise
            p = expit(z @ weights["decoder"] + weights["decoder_bias"])
            log_p_x = np.sum(images[number] * np.log(p) + (1 - images[number]) * np.log(1 - p), axis=1)
            log_p_z = multivariate_normal(np.zeros(2), np.eye(2)).logpdf(z)
            log_q = multivariate_normal(mu[number], np.diag(deviation**2)).logpdf(z)
            assert bound == pytest.approx(logsumexp(log_p_x + log_p_z - log_q) - np.log(5), rel=1e-5)

    @pytest.mark.slow
    def test_results_depend_only_on_the_seed(self):
        model, _ = linear_vae()
        images = some_images(23)

        def bounds(**how):
            return likelihood.image_bounds(model, images, k=(1, 5, 30), **how)

        np.testing.assert_array_equal(bounds(seed=1), bounds(seed=1))
        for how in ({"batch_size": 7}, {"chunk_size": 1}, {"chunk_size": 7}, {"chunk_size": 30, "jit_compile": False}):
            np.testing.assert_allclose(bounds(seed=1, **how), bounds(seed=1), rtol=1e-5)
        assert (bounds(seed=1) != bounds(seed=2)).all()
        # The draws are nested: the first 5 of 30 are the same as 5 drawn alone.
        np.testing.assert_allclose(likelihood.image_bounds(model, images, k=(5,), seed=1)[0], bounds(seed=1)[1], rtol=1e-5)

    def test_decodes_at_most_one_chunk_of_a_batch_at_once(self):
        model, _ = linear_vae()
        sizes = []

        def seen(images, logits):
            tf.py_function(lambda n: sizes.append(int(n)), [tf.shape(logits)[0]], [])
            return likelihood.bernoulli_log_likelihood(images, logits)

        how = {"log_likelihood": seen, "batch_size": 4, "chunk_size": 3, "jit_compile": False}
        likelihood.image_bounds(model, some_images(10), k=(1, 50), **how)
        assert max(sizes) == 12
        assert sum(sizes) == 10 * 51  # the last chunk has 2 draws of 3

    def test_progress_counts_decodings(self):
        calls = []
        likelihood.image_bounds(linear_vae()[0], some_images(11), k=(2, 8), batch_size=4, advance=calls.append)
        assert sum(calls) == 11 * 8

    @pytest.mark.parametrize("k", [(), (0, 5), (5, 5), (50, 1)])
    def test_refuses_invalid_draws(self, k):
        with pytest.raises(ValueError, match=r"k must be increasing numbers of at least 1\. Received: k="):
            likelihood.image_bounds(None, some_images(3), k=k)

    @pytest.mark.parametrize("how", [{"batch_size": 0}, {"chunk_size": 0}])
    def test_refuses_sizes_of_0(self, how):
        (name,) = how
        with pytest.raises(ValueError, match=f"Received: {name}=0"):
            likelihood.image_bounds(linear_vae()[0], some_images(3), k=(1,), **how)

    def test_refuses_non_finite_bounds(self):
        with pytest.raises(ValueError, match="Received: log weights "):
            likelihood.image_bounds(constant_vae(mu=[np.inf], log_var=[0.0], logits=[0.0] * 6), some_images(4), k=(1,))


def test_one_draw_estimates_the_elbo():
    model, _ = linear_vae()
    images = some_images(4000)
    (row,) = likelihood.summary(likelihood.image_bounds(model, images, k=(1,)), (1,))
    exact, _, _ = test_set.vae_report(model, images, np.arange(4000) % 10, draws=50)
    assert row["negative_bound"] == pytest.approx(exact["negative_elbo"], abs=4 * row["standard_error"])


def test_kl_per_dimension_by_hand():
    # KL(N(1, 1) || N(0, 1)) = 1/2 and KL(N(0, 4) || N(0, 1)) = (4 - 1 - ln 4) / 2; the third is the prior.
    mu, log_var = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]), np.array([[0.0, np.log(4), 0.0]] * 2)
    np.testing.assert_allclose(likelihood.kl_per_dimension(mu, log_var), [0.5, (3 - np.log(4)) / 2, 0], rtol=1e-12)


class TestActiveUnits:
    def test_collapsed_vae_has_none(self):
        model = constant_vae(mu=[3.0, 0.0], log_var=[0.0, -5.0], logits=[0.0] * 6)
        mu, _ = test_set.posteriors(model, some_images(50))
        assert likelihood.active_units(mu) == {"count": 0, "variance_of_mu": [0, 0], "threshold": 0.01}

    def test_counts_dimensions_above_the_threshold(self):
        # Half the images at +d, half at −d: a variance of d².
        mu = np.outer(np.repeat([1.0, -1.0], 10), np.sqrt([1.0, 0.011, 0.009, 0.0])) + 7
        found = likelihood.active_units(mu)
        assert found["count"] == 2
        assert found["variance_of_mu"] == pytest.approx([1, 0.011, 0.009, 0])


class TestAggregatePosterior:
    def test_moments_and_the_fit_in_closed_form(self):
        # Means ±1 with variance 3: mean 0, variance 4. Means 2 with variance ½: mean 2, variance ½.
        mu, log_var = np.array([[1.0, 2.0], [-1.0, 2.0]]), np.log([[3.0, 0.5]] * 2)
        found = likelihood.aggregate_posterior(mu, log_var)
        assert found["mean"] == pytest.approx([0, 2])
        assert found["variance"] == pytest.approx([4, 0.5])
        assert found["largest_correlation"] == pytest.approx(0)
        assert found["kl_of_gaussian_fit"] == pytest.approx((4 - 1 - np.log(4) + 0.5 + 4 - 1 - np.log(0.5)) / 2)

    def test_gaussian_fit_includes_correlation(self):
        # Means on the diagonal, (1, 1) and (−1, −1), variances 1: covariance [[2, 1], [1, 2]], determinant 3.
        found = likelihood.aggregate_posterior(np.array([[1.0, 1.0], [-1.0, -1.0]]), np.zeros((2, 2)))
        assert found["largest_correlation"] == pytest.approx(0.5)
        assert found["kl_of_gaussian_fit"] == pytest.approx((4 - 2 - np.log(3)) / 2)

    def test_equal_posteriors_carry_no_information(self):
        found = likelihood.aggregate_posterior(np.full((40, 2), 1.5), np.full((40, 2), -1.0))
        assert found["mutual_information"] == pytest.approx(0, abs=1e-5)
        assert found["marginal_kl"] == pytest.approx(found["kl"], abs=1e-5)
        assert found["kl_of_gaussian_fit"] == pytest.approx(found["kl"])  # q(z) is that Gaussian

    def test_separate_posteriors_identify_the_image(self):
        mu = 100.0 * np.arange(30)[:, None]
        found = likelihood.aggregate_posterior(mu, np.zeros((30, 1)))
        assert found["mutual_information"] == pytest.approx(np.log(30), abs=1e-5)
        assert found["log_images"] == pytest.approx(np.log(30))

    def test_two_posteriors_by_quadrature(self):
        # Means ±1, variances 1: I = H(½N(1, 1) + ½N(−1, 1)) − H(N(0, 1)).
        mu = np.repeat([[1.0], [-1.0]], 4000, axis=0)
        z = np.linspace(-12, 12, 100_001)
        density = (np.exp(-((z - 1) ** 2) / 2) + np.exp(-((z + 1) ** 2) / 2)) / np.sqrt(8 * np.pi)
        exact = -np.trapezoid(density * np.log(density), z) - 0.5 * np.log(2 * np.pi * np.e)
        found = likelihood.aggregate_posterior(mu, np.zeros_like(mu))
        assert found["standard_error"] < 0.01
        assert found["mutual_information"] == pytest.approx(exact, abs=4 * found["standard_error"])
        assert found["marginal_kl"] > found["kl_of_gaussian_fit"] - 4 * found["standard_error"]

    def test_against_numpy(self):
        rng = np.random.default_rng(0)
        mu, log_var = rng.normal(size=(12, 3)), rng.normal(size=(12, 3))
        noise = np.random.default_rng(5).standard_normal((12, 3), dtype=np.float32)
        z = mu + np.exp(log_var / 2) * noise
        densities = np.array([multivariate_normal(m, np.diag(np.exp(v))).pdf(z) for m, v in zip(mu, log_var, strict=True)])
        expected = np.log(np.diag(densities)) - np.log(densities.mean(axis=0))
        np.testing.assert_allclose(likelihood.informations(mu, log_var, seed=5), expected, rtol=1e-4, atol=1e-5)


class TestRateDistortion:
    def runs(self):
        def run(kl_weight, rate, distortion, seed=0, checksum="a", **settings):
            config = {"model": "VariationalAutoEncoder", "data": {"checksum": checksum}}
            config["settings"] = {"kl_weight": kl_weight, "seed": seed, "z_dim": 3, **settings}
            return config, {"kl": rate, "reconstruction": distortion, "iterations": 100}

        return {
            "ten": run(10.0, 2.0, 158.0),
            "one": run(1.0, 8.0, 125.0, width=50),
            "one, too": run(1.0, 7.5, 126.0, seed=4),
            "tenth": run(0.1, 15.0, 120.0),
            "wider": run(1.0, 9.0, 120.0, z_dim=9),
            "elsewhere": run(1.0, 9.0, 20.0, checksum="b"),
            "autoencoder": ({"model": "AutoEncoder", "settings": {}}, {"test_l2": 4.4}),
        }

    def test_points_are_sorted_and_comparable(self):
        points = likelihood.rate_distortion(self.runs(), like="one")
        assert [point["name"] for point in points] == ["tenth", "one, too", "one", "ten"]
        assert points[0] == {
            "name": "tenth",
            "kl_weight": 0.1,
            "seed": 0,
            "iterations": 100,
            "rate": 15.0,
            "distortion": 120.0,
            "negative_elbo": 135.0,
        }
        assert {point["name"] for point in likelihood.rate_distortion(self.runs())} == self.runs().keys() - {"autoencoder"}

    def test_reference_runs(self):
        runs = {}
        for folder in Path("logs/reference").glob("vae_*"):
            runs[folder.name] = tuple(json.loads((folder / name).read_text()) for name in ("config.json", "results.json"))
        points = likelihood.rate_distortion(runs, like="vae_fixed_seed0")
        groups = {0.1: "vae_kl_weight_0.1", 1: "vae_fixed", 10: "vae_kl_weight_10"}
        seeds = {weight: len(list(Path("logs/reference").glob(f"{name}_seed*"))) for weight, name in groups.items()}
        assert min(seeds.values()) >= 3
        assert [point["kl_weight"] for point in points] == [weight for weight in groups for _ in range(seeds[weight])]
        rates, distortions = (
            {weight: [point[name] for point in points if point["kl_weight"] == weight] for weight in groups}
            for name in ("rate", "distortion")
        )
        assert min(rates[0.1]) > max(rates[1])
        assert min(rates[1]) > max(rates[10])
        assert min(distortions[10]) > max(distortions[0.1] + distortions[1])


class TestReport:
    def test_parts(self):
        model, _ = linear_vae()
        images, labels = some_images(31), np.arange(31) % 3
        found = json.loads(json.dumps(likelihood.report(model, images, labels, k=(1, 4), seed=2)))
        assert found["bounds"] == likelihood.summary(likelihood.image_bounds(model, images, k=(1, 4), seed=2), (1, 4))
        by_label = found["bounds_by_label"]
        assert [by_label[label]["images"] for label in "012"] == [11, 10, 10]
        total = sum(row["negative_bound"] * row["images"] for row in by_label.values())
        assert total / 31 == pytest.approx(found["bounds"][1]["negative_bound"])
        assert sum(found["kl_per_dimension"]) == pytest.approx(found["kl"])
        reported, mu, log_var = test_set.vae_report(model, images, labels, draws=1)
        assert found["kl"] == pytest.approx(reported["kl"], rel=1e-5)
        assert found["active_units"] == likelihood.active_units(mu)
        assert found["aggregate_posterior"] == likelihood.aggregate_posterior(mu, log_var, seed=2)
        assert found["binary"] is False

    def test_bounds_by_label_use_the_largest_k(self):
        model, _ = linear_vae()
        images = (some_images(9) > 0.5).astype(np.float32)
        found = likelihood.report(model, images, np.zeros(9, int), k=(1, 4))
        assert found["bounds_by_label"]["0"]["k"] == 4
        assert found["binary"] is True
        one = likelihood.report(model, images[:1], np.zeros(1, int), k=(2,))
        assert one["bounds"][0]["standard_error"] is None

    def test_refuses_a_wrong_number_of_labels(self):
        with pytest.raises(ValueError, match=r"Received: labels.shape=\(2,\) of 3 images"):
            likelihood.report(None, some_images(3), np.zeros(2, int))


@pytest.mark.slow
@pytest.mark.skipif(not (REAL and REAL_IDX), reason="ORIGINAL_DIR or MNIST_IDX_DIR is not set")
@pytest.mark.parametrize(("checkpoint", "relu_heads", "bound"), [("vae_relu_heads", True, 160.3), ("vae", False, 130.6)])
def test_the_authors_checkpoints(checkpoint, relu_heads, bound):
    """10,000 images by 50 draws."""
    assert REAL is not None
    model = VariationalAutoEncoder(relu_heads=relu_heads)
    read_checkpoint(Path(REAL) / checkpoint / "model.ckpt-100000").restore(model)
    images = to_unit_interval(mnist.load("mnist", REAL_IDX).test.images)
    found = dict(zip((1, 50), -likelihood.image_bounds(model, images, k=(1, 50)).mean(axis=1), strict=True))
    assert found[50] == pytest.approx(bound, abs=0.3)
    assert found[1] > found[50] + 1
