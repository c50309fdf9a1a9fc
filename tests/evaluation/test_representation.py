"""representation.py, checked against results by hand, by plain NumPy, or known properties of the measures."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from unsupervised_learning.evaluation import representation


def clusters(per_label: int, labels: int = 10, dimensions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return codes in well-separated clusters, one per label."""
    label = np.repeat(np.arange(labels), per_label)
    noise = np.random.default_rng(0).normal(0, 0.1, (len(label), dimensions))
    return (100.0 * label)[:, None] + noise, label


class TestKnnAccuracy:
    def test_is_1_on_separate_clusters(self):
        assert representation.knn_accuracy(*clusters(per_label=20)) == 1.0

    def test_is_at_chance_on_random_codes(self):
        rng = np.random.default_rng(0)
        accuracy = representation.knn_accuracy(rng.normal(size=(2000, 3)), rng.integers(0, 10, 2000))
        assert accuracy == pytest.approx(0.1, abs=0.03)

    def test_against_numpy(self):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 4, 300)
        codes = labels[:, None] + rng.normal(size=(300, 3))  # overlapping clusters, so that the number of voters matters
        accuracies = []
        for train, held_out in StratifiedKFold(5).split(codes, labels):
            distances = np.linalg.norm(codes[held_out][:, None] - codes[train], axis=-1)
            voters = labels[train][np.argsort(distances, axis=1)[:, :10]]
            winners = [np.bincount(votes).argmax() for votes in voters]
            accuracies.append(np.mean(winners == labels[held_out]))
        assert representation.knn_accuracy(codes, labels) == pytest.approx(np.mean(accuracies))

    @pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 12, 297])
    def test_works_on_few_codes(self, n):
        rng = np.random.default_rng(n)
        assert 0 <= representation.knn_accuracy(rng.normal(size=(n, 3)), rng.integers(0, 10, n)) <= 1

    def test_works_with_fewer_codes_than_neighbours(self):
        # Each fold trains on 4 codes, and all of them vote: 3 against 1 of the rare label.
        assert representation.knn_accuracy(np.array([[0.0], [0.1], [0.2], [0.3], [9.0]]), np.array([0, 0, 0, 0, 1])) == 0.8

    def test_a_label_with_one_member_does_not_affect_the_others(self):
        codes, labels = clusters(per_label=20)
        codes, labels = codes[:181], labels[:181]  # digit 9 occurs once and cannot be right
        assert representation.knn_accuracy(codes, labels) == pytest.approx(180 / 181, abs=1e-3)

    @pytest.mark.parametrize(
        ("codes", "labels"),
        [
            (np.zeros(4), np.zeros(4, int)),
            (np.zeros((4, 3)), np.zeros(5, int)),
            (np.zeros((4, 3)), np.zeros(4)),
            (np.full((4, 3), np.nan), np.zeros(4, int)),
            (np.zeros((1, 3)), np.zeros(1, int)),
            (np.zeros((0, 3)), np.zeros(0, int)),
        ],
    )
    def test_names_what_it_cannot_use(self, codes, labels):
        with pytest.raises(ValueError, match="Received: "):
            representation.knn_accuracy(codes, labels)


class TestSilhouette:
    def test_four_codes_by_hand(self):
        # Mean distances of code 0: 1 to its own label, 10.5 to the other, so 1 − 1 / 10.5. Code 1: 1 and 9.5.
        codes, labels = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 1, 1])
        assert representation.silhouette(codes, labels) == pytest.approx(((1 - 1 / 10.5) + (1 - 1 / 9.5)) / 2)

    def test_looks_at_the_first_3000(self):
        codes, labels = clusters(per_label=1500, labels=2)
        more_codes = np.concatenate([codes, np.zeros((500, 3))])
        more_labels = np.concatenate([labels, np.arange(500) % 2])
        assert representation.silhouette(more_codes, more_labels) == representation.silhouette(codes, labels)

    def test_is_none_where_undefined(self):
        assert representation.silhouette(np.arange(6.0)[:, None], np.zeros(6, int)) is None
        assert representation.silhouette(np.arange(6.0)[:, None], np.arange(6)) is None

    def test_collapsed_codes_give_0(self):
        assert representation.silhouette(np.ones((20, 3)), np.arange(20) % 2) == 0.0


def test_code_sparsity():
    one, all_equal = np.eye(4)[:2] * 3, np.array([[1.0, -1.0, 1.0, 1.0]])
    assert representation.code_sparsity(one) == pytest.approx(1)
    assert representation.code_sparsity(all_equal) == pytest.approx(0)
    assert representation.code_sparsity(np.array([[3.0, 4.0]])) == pytest.approx((2**0.5 - 7 / 5) / (2**0.5 - 1))
    assert representation.code_sparsity(np.concatenate([one, all_equal, np.zeros((5, 4))])) == pytest.approx(2 / 3)
    assert representation.code_sparsity(np.zeros((3, 4))) is None
    assert representation.code_sparsity(np.ones((3, 1))) is None


class TestLinearProbe:
    def test_separates_linearly_separable_labels_only(self):
        angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 400)
        codes = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        halves = (codes[:, 0] > 0).astype(int)
        assert representation.linear_probe_accuracy(codes, halves) == pytest.approx(1, abs=0.03)
        quadrants = (codes[:, 0] * codes[:, 1] > 0).astype(int)  # XOR
        assert representation.linear_probe_accuracy(codes, quadrants) == pytest.approx(0.5, abs=0.1)
        assert representation.knn_accuracy(codes, quadrants) > 0.95

    def test_against_scikit_learn_on_standardised_codes(self):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 4, 300)
        codes = (labels[:, None] + rng.normal(size=(300, 3))) * [1e-3, 1.0, 1e3] + [0, 5, 0]
        accuracies = []
        for train, held_out in StratifiedKFold(5).split(codes, labels):
            mean, deviation = codes[train].mean(axis=0), codes[train].std(axis=0)
            fitted = LogisticRegression().fit((codes[train] - mean) / deviation, labels[train])
            accuracies.append(fitted.score((codes[held_out] - mean) / deviation, labels[held_out]))
        assert 0.5 < np.mean(accuracies) < 0.9
        assert representation.linear_probe_accuracy(codes, labels) == pytest.approx(np.mean(accuracies))

    @pytest.mark.parametrize("labels", [np.zeros(8, int), np.array([0, 0, 0, 0, 0, 0, 0, 1])])
    def test_is_none_with_one_label(self, labels):
        # If a label has only one code, the fold that holds it out trains on the other label only.
        assert representation.linear_probe_accuracy(np.arange(8.0)[:, None], labels) is None


class TestClustering:
    def test_is_1_if_clusters_equal_labels(self):
        codes, labels = clusters(per_label=10)
        assert representation.clustering(codes, 9 - labels) == pytest.approx({"purity": 1, "nmi": 1, "ari": 1})

    def test_by_hand(self):
        # k-means finds {0, 1, 2} and {10, 11, 12}, with labels 0 0 1 and 1 1 1. The contingency table is 2, 0 | 1, 3.
        codes, labels = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]]), np.array([0, 0, 1, 1, 1, 1])
        found = representation.clustering(codes, labels)
        assert found["purity"] == pytest.approx(5 / 6)

        def entropy(*p):
            return -np.sum(np.array(p) * np.log(p))

        information = entropy(1 / 3, 2 / 3) + entropy(1 / 2, 1 / 2) - entropy(1 / 3, 1 / 6, 1 / 2)
        assert found["nmi"] == pytest.approx(information / np.mean([entropy(1 / 3, 2 / 3), entropy(1 / 2, 1 / 2)]))
        # Of 15 pairs, 1 + 3 are together in both, 3 + 3 in the clusters and 1 + 6 in the labels.
        expected = 6 * 7 / 15
        assert found["ari"] == pytest.approx((4 - expected) / ((6 + 7) / 2 - expected))

    def test_is_at_chance_on_random_codes(self):
        rng = np.random.default_rng(0)
        found = representation.clustering(rng.normal(size=(2000, 3)), rng.integers(0, 10, 2000))
        assert found["ari"] == pytest.approx(0, abs=0.01)
        assert found["nmi"] == pytest.approx(0, abs=0.02)
        assert found["purity"] == pytest.approx(
            0.12, abs=0.02
        )  # chance is 0.1 for ten labels, plus the excess of the most common label

    def test_collapsed_codes_are_one_cluster(self):
        labels = np.array([0, 0, 0, 1])
        assert representation.clustering(np.ones((4, 3)), labels) == {"purity": 0.75, "nmi": 0, "ari": 0}

    def test_is_deterministic(self):
        rng = np.random.default_rng(0)
        codes, labels = rng.normal(size=(500, 3)).astype(np.float32), rng.integers(0, 10, 500)
        assert representation.clustering(codes, labels) == representation.clustering(codes, labels)

    def test_one_label(self):
        assert representation.clustering(np.eye(3), np.zeros(3, int)) == {"purity": None, "nmi": None, "ari": None}


class TestTrustworthiness:
    def test_identity_and_shuffle(self):
        images = np.random.default_rng(0).uniform(size=(400, 30))
        assert representation.trustworthiness(3 * images, images) == 1
        shuffled = representation.trustworthiness(np.random.default_rng(1).permutation(images), images)
        assert shuffled == pytest.approx(0.5, abs=0.05)

    def test_by_hand(self):
        # Five images on a line, two neighbours each; the codes swap the two ends. Nearest codes, with their ranks among the
        # images: of 0, 7 and 3 (3rd, 2nd); of 1, 15 and 3 (4th, 2nd); of 3, 1 and 15 (1st, 4th); of 7, 3 and 1 (1st, 2nd); of
        # 15, 1 and 3 (3rd, 2nd). Ranks beyond the 2nd cost 1 + 2 + 2 + 0 + 1 in total; the maximum is 15.
        images = np.array([[0.0], [1.0], [3.0], [7.0], [15.0]])
        codes = np.array([[15.0], [1.0], [3.0], [7.0], [0.0]])
        assert representation.trustworthiness(codes, images) == pytest.approx(1 - 6 / 15)

    def test_looks_at_the_first_3000(self):
        images = np.random.default_rng(0).uniform(size=(3100, 2))
        codes = images.copy()
        codes[3000:] = 0.5
        assert representation.trustworthiness(codes, images) == 1

    @pytest.mark.parametrize("n", [1, 2, 3, 4, 21])
    def test_few(self, n):
        images = np.arange(float(n))[:, None] ** 2
        assert representation.trustworthiness(images, images) == (1 if n > 2 else None)

    def test_refuses_unequal_numbers(self):
        with pytest.raises(ValueError, match="Received: 3 and 4"):
            representation.trustworthiness(np.eye(3), np.eye(4))


class TestReport:
    def test_measures_codes_and_pca(self):
        codes, labels = clusters(per_label=8)
        images = np.repeat(codes, 2, axis=1)
        noise = np.random.default_rng(3).normal(size=codes.shape)
        found = json.loads(json.dumps(representation.report(codes, labels, images, noise)))
        assert found["codes"] == representation.measures(codes, labels, images)
        assert found["pca"] == representation.measures(noise, labels, images)
        assert found["codes"]["purity"] == pytest.approx(1)
        assert found["pca"]["purity"] < 0.5
        assert found["codes"]["trustworthiness"] == 1
        assert found["codes"].keys() == found["pca"].keys()
        assert (found["images"], found["codes"]["dimensions"]) == (80, 3)
        assert representation.report(codes, labels, images)["pca"] is None

    @pytest.mark.parametrize("n", [2, 3, 5, 12])
    def test_few_codes_and_one_label(self, n):
        codes = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
        found = representation.report(codes, np.full(n, 4), codes)["codes"]
        undefined = {"knn_accuracy", "linear_probe_accuracy", "purity", "nmi", "ari", "silhouette"}
        undefined |= {"trustworthiness"} if n < 3 else set()
        assert {name for name, value in found.items() if value is None} == undefined
        representation.report(codes, np.arange(n) % 3, codes, codes)  # works

    def test_collapsed_codes(self):
        labels = np.arange(60) % 3
        found = representation.report(np.zeros((60, 3), np.float32), labels, np.random.default_rng(0).uniform(size=(60, 9)))
        assert found["codes"]["linear_probe_accuracy"] == pytest.approx(1 / 3)
        assert found["codes"]["code_sparsity"] is None

    def test_refuses_pca_codes_of_another_size(self):
        with pytest.raises(ValueError, match=r"Received: \(4, 2\)"):
            representation.report(np.zeros((4, 3)), np.zeros(4, int), np.zeros((4, 9)), np.zeros((4, 2)))


def test_fitted_pca_spans_the_largest_variance():
    images = np.concatenate([np.diag([9.0, 6, 3, 1, 1]), -np.diag([9.0, 6, 3, 1, 1])])
    codes = representation.fitted_pca(images, 2).transform(images)
    np.testing.assert_allclose(np.abs(codes[:2]), [[9, 0], [0, 6]], atol=1e-12)
    np.testing.assert_allclose(codes[2:5], 0, atol=1e-12)
