"""test_set.py, checked against results by hand or by plain NumPy."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.support import constant_vae, dense, linear_vae, some_images
from unsupervised_learning.evaluation import representation, test_set


class TestErrors:
    def test_mean_squared_error_by_hand(self):
        assert test_set.mean_squared_error(np.array([[0.0, 1.0]]), np.array([[0.5, -1.0]])) == (0.25 + 4) / 2

    def test_mean_squared_error_of_bytes_does_not_wrap_around(self):
        assert test_set.mean_squared_error(np.array([[255]], np.uint8), np.array([[0]], np.uint8)) == 255**2

    def test_mean_squared_error_refuses_shapes_that_would_broadcast(self):
        with pytest.raises(ValueError, match=r"Received: images.shape=\(2, 3\), reconstructions.shape=\(1, 3\)"):
            test_set.mean_squared_error(np.zeros((2, 3)), np.zeros((1, 3)))

    def test_pca_subspace_cosine(self):
        images = np.concatenate([np.diag([9, 6, 3, 1, 1]), -np.diag([9, 6, 3, 1, 1])])  # principal components: the axes
        mixed = np.array([[1.0, 2.0, 0.0, 0.0, 0.0], [1.0, -1.0, 0.0, 0.0, 0.0]])
        within = test_set.pca_subspace_cosine(lambda codes: codes @ mixed + 7, images, 2)
        assert within == pytest.approx(1)
        tilted = np.eye(2, 5) + np.array([[0, 0, 0, 0, 0], [0, 0, 0, 0, 1.0]])  # the second axis, tilted by 45 degrees
        assert test_set.pca_subspace_cosine(lambda codes: codes @ tilted, images, 2) == pytest.approx(2**-0.5)

    def test_l2_per_batch_is_the_2016_loss(self):
        rng = np.random.default_rng(0)
        images, outputs = rng.uniform(size=(256, 784)), rng.normal(size=(256, 784))
        l2_loss = np.sum((outputs - images) ** 2) / 2
        mse = test_set.mean_squared_error(images, outputs)
        assert test_set.l2_per_batch(mse) == pytest.approx(l2_loss / 784)

    def test_l2_per_batch_of_run_5(self):
        assert test_set.l2_per_batch(0.034742) == pytest.approx(4.447, abs=5e-4)


class TestPcaBaseline:
    def images_of_rank(self, rank: int, n: int) -> np.ndarray:
        rng = np.random.default_rng(0)
        patterns = rng.uniform(0, 1 / rank, (rank, 30))
        return (rng.uniform(size=(n, rank)) @ patterns).astype(np.float32)  # in [0, 1]

    def test_reconstructs_data_of_equal_rank(self):
        images, labels = self.images_of_rank(3, 200), np.arange(200) % 10
        result = test_set.pca_baseline(images[:150], images[150:], labels[150:], components=3)
        assert list(result) == ["components", "test_l2", "test_mse", "knn_accuracy"]
        assert result["components"] == 3
        assert result["test_mse"] == pytest.approx(0, abs=1e-10)

    def test_error_is_the_unexplained_variance(self):
        images, labels = self.images_of_rank(5, 200), np.arange(200) % 10
        result = test_set.pca_baseline(images, images, labels, components=2)
        centred = images.astype(np.float64) - images.mean(axis=0, dtype=np.float64)
        left_out = np.linalg.svd(centred, compute_uv=False)[2:]
        assert result["test_mse"] == pytest.approx(np.sum(left_out**2) / images.size, rel=1e-3)
        assert result["test_l2"] == 128 * result["test_mse"]

    def test_is_deterministic(self):
        images, labels = self.images_of_rank(5, 200), np.arange(200) % 10
        first, second = (test_set.pca_baseline(images, images, labels, components=2) for _ in range(2))
        assert first == second

    @pytest.mark.parametrize("components", [0, 31])
    def test_refuses_components_out_of_range(self, components):
        images = self.images_of_rank(3, 100)
        with pytest.raises(ValueError, match=f"Received: components={components}"):
            test_set.pca_baseline(images, images, np.zeros(100, int), components)

    def test_refuses_images_on_another_scale(self):
        images = self.images_of_rank(3, 100)
        with pytest.raises(ValueError, match=r"test_images must be floats in \[0, 1\]. Received: float32"):
            test_set.pca_baseline(images, 255 * images, np.zeros(100, int), 3)


class TestAutoencoderReport:
    def test_against_numpy(self):
        rng = np.random.default_rng(0)
        down, up = rng.normal(size=(6, 3)).astype(np.float32), rng.normal(size=(3, 6)).astype(np.float32)
        model = SimpleNamespace(encoder=dense(down, np.zeros(3)), decoder=dense(up, np.zeros(6)))
        images, labels = some_images(57), np.arange(57) % 10
        numbers, codes = test_set.autoencoder_report(model, images, labels, batch_size=10)
        mse = np.mean((images @ down @ up - images) ** 2)
        np.testing.assert_allclose(codes, images @ down, rtol=1e-5, atol=1e-6)
        assert numbers["test_mse"] == pytest.approx(mse, rel=1e-5)
        assert numbers["test_l2"] == pytest.approx(128 * mse, rel=1e-5)
        assert numbers["knn_accuracy"] == representation.knn_accuracy(codes, labels)
        assert numbers["silhouette"] == representation.silhouette(codes, labels)

    def test_one_label_has_no_silhouette_and_no_accuracy(self):
        model = SimpleNamespace(encoder=dense(np.ones((6, 3)), np.zeros(3)), decoder=dense(np.ones((3, 6)), np.zeros(6)))
        numbers, _ = test_set.autoencoder_report(model, some_images(10), np.full(10, 7))
        assert numbers["silhouette"] is None
        assert numbers["knn_accuracy"] is None

    def test_refuses_a_batch_size_of_0(self):
        with pytest.raises(ValueError, match="Received: batch_size=0"):
            test_set.autoencoder_report(None, some_images(10), np.zeros(10, int), batch_size=0)


class TestVaeReport:
    def test_against_numpy(self):
        model, weights = linear_vae()
        images, labels = some_images(23), np.arange(23) % 10
        numbers, mu, log_var = test_set.vae_report(model, images, labels, draws=3, seed=5, batch_size=10)

        expected_mu = images @ weights["mu"] + weights["mu_bias"]
        expected_log_var = images @ weights["log_var"] + weights["log_var_bias"]
        np.testing.assert_allclose(mu, expected_mu, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(log_var, expected_log_var, rtol=1e-5, atol=1e-6)

        # The formulas of the paper, not those of the code: log p of each pixel, and the KL of appendix B.
        kl = -0.5 * np.sum(1 + expected_log_var - expected_mu**2 - np.exp(expected_log_var), axis=1).mean()
        reconstructions = []
        for draw in range(3):
            noise = np.random.default_rng([5, draw]).standard_normal((23, 2), dtype=np.float32)
            logits = (expected_mu + np.exp(expected_log_var / 2) * noise) @ weights["decoder"] + weights["decoder_bias"]
            p = 1 / (1 + np.exp(-logits))
            log_p = np.sum(images * np.log(p) + (1 - images) * np.log(1 - p), axis=1)
            reconstructions.append(-log_p.mean())
        assert numbers["kl"] == pytest.approx(kl, rel=1e-5)
        assert numbers["reconstruction"] == pytest.approx(np.mean(reconstructions), rel=1e-5)
        assert numbers["negative_elbo"] == pytest.approx(kl + np.mean(reconstructions), rel=1e-5)
        standard_error = np.std(reconstructions, ddof=1) / np.sqrt(3)
        assert numbers["negative_elbo_standard_error"] == pytest.approx(standard_error, rel=1e-3)
        assert numbers["draws"] == 3
        assert numbers["log_var_mean"] == pytest.approx(expected_log_var.mean(axis=0), rel=1e-5)
        assert numbers["knn_accuracy"] == representation.knn_accuracy(mu, labels)
        assert numbers["silhouette"] == representation.silhouette(mu, labels)

    def test_known_gaussians(self):
        # KL(N(1, 1) || N(0, 1)) = 1/2 and KL(N(0, 4) || N(0, 1)) = (4 - 1 - ln 4) / 2; a logit of 0 costs ln 2 a pixel.
        model = constant_vae(mu=[1.0, 0.0], log_var=[0.0, np.log(4.0)], logits=[0.0] * 6)
        numbers, _, _ = test_set.vae_report(model, some_images(10), np.arange(10) % 2, draws=2)
        assert numbers["kl"] == pytest.approx(0.5 + (3 - np.log(4)) / 2, rel=1e-6)
        assert numbers["reconstruction"] == pytest.approx(6 * np.log(2), rel=1e-6)
        assert numbers["negative_elbo_standard_error"] == pytest.approx(0, abs=1e-9)
        assert numbers["mu_zero_fraction"] == 0.5
        assert numbers["log_var_zero_fraction"] == 0.5
        assert numbers["log_var_mean"] == pytest.approx([0, np.log(4)])

    def test_noise_depends_only_on_the_seed(self):
        model, _ = linear_vae()
        images, labels = some_images(23), np.arange(23) % 10

        def bound(**options):
            return test_set.vae_report(model, images, labels, draws=2, **options)[0]["negative_elbo"]

        assert bound(seed=1) == bound(seed=1)
        assert bound(seed=1) == pytest.approx(bound(seed=1, batch_size=7), rel=1e-6)
        assert bound(seed=1) != bound(seed=2)

    def test_one_draw_has_no_standard_error(self):
        model, _ = linear_vae()
        numbers, _, _ = test_set.vae_report(model, some_images(10), np.zeros(10, int), draws=1)
        assert numbers["negative_elbo_standard_error"] is None
        assert numbers["silhouette"] is None

    def test_refuses_0_draws(self):
        with pytest.raises(ValueError, match="Received: draws=0"):
            test_set.vae_report(None, some_images(10), np.zeros(10, int), draws=0)

    def test_refuses_a_non_finite_bound(self):
        model = constant_vae(mu=[np.inf], log_var=[0.0], logits=[0.0] * 6)
        with pytest.raises(ValueError, match=r"Received: kl=inf"):
            test_set.vae_report(model, some_images(10), np.zeros(10, int), draws=1)

    @pytest.mark.parametrize(
        "images",
        [np.zeros((10, 28, 28), np.float32), np.zeros((10, 6), np.uint8), np.full((10, 6), np.nan), -some_images(10)],
    )
    def test_refuses_invalid_images(self, images):
        with pytest.raises(ValueError, match="Received: "):
            test_set.vae_report(None, images, np.zeros(10, int))
