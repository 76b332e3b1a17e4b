"""Latent classes from counts: StepMix's answers, a closed form, and odd input."""

import numpy as np
import pytest
from stepmix.stepmix import StepMix

from registry_pipeline.statistics.latent import mixture


def courses(n=120):
    """Two kinds of people over six waves, 15 % of the answers missing."""
    draw = np.random.default_rng(5)
    heavy = draw.random(n) < 0.4
    chances = np.where(heavy[:, None, None], [0.1, 0.2, 0.7], [0.7, 0.2, 0.1]) * np.ones((n, 6, 1))
    states = np.array([[draw.choice(3, p=chances[i, t]) for t in range(6)] for i in range(n)])
    states[draw.random((n, 6)) < 0.15] = -1
    return states


def fit(states, n_classes, starts=20):
    """Counts of the sequences that occur, fitted."""
    sequences, people = np.unique(states, axis=0, return_counts=True)
    return mixture(sequences, people.astype(float), n_states=3, n_classes=n_classes, starts=starts)


@pytest.mark.parametrize(("n_classes", "starts"), [(1, 1), (2, 10), (3, 8)])
def test_is_the_latent_class_model_of_stepmix(n_classes, starts):
    """The package a reader would reach for, fitted here to the same people, row by row."""
    states = courses()
    rows = np.where(states < 0, np.nan, states.astype(float))
    theirs = StepMix(
        n_classes, measurement="categorical_nan", n_init=starts, random_state=1, rel_tol=0,
        abs_tol=1e-12, max_iter=2000, progress_bar=0, verbose=0,
    ).fit(rows)  # fmt: skip
    ours = fit(states, n_classes)
    assert ours.log_likelihood == pytest.approx(theirs.score(rows) * len(rows), abs=1e-6)
    assert ours.bic == pytest.approx(theirs.bic(rows), abs=1e-6)
    assert ours.n_parameters == theirs.n_parameters
    assert sorted(ours.share) == pytest.approx(sorted(theirs.weights_), abs=1e-4)
    if n_classes > 1:
        assert ours.entropy == pytest.approx(theirs.relative_entropy(rows), abs=1e-5)


def test_classes_are_found_and_in_order_of_use():
    found = fit(courses(600), 2)
    assert found.share == pytest.approx([0.6, 0.4], abs=0.06)
    assert found.probability[0].mean(axis=0) == pytest.approx([0.7, 0.2, 0.1], abs=0.05)
    assert found.probability[1].mean(axis=0) == pytest.approx([0.1, 0.2, 0.7], abs=0.05)
    assert found.posterior.sum(axis=1) == pytest.approx(1)


def test_one_class_is_the_share_of_each_state_at_each_wave():
    states = courses(40)
    found = fit(states, 1)
    for wave, column in enumerate(states.T):
        observed = column[column >= 0]
        shares = [(observed == state).mean() for state in range(3)]
        assert found.probability[0, wave] == pytest.approx(shares)


def test_the_same_people_give_the_same_classes():
    one, other = fit(courses(), 3, starts=5), fit(courses()[::-1], 3, starts=5)
    assert one.log_likelihood == other.log_likelihood
    assert (one.probability == other.probability).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("states", [np.zeros((60, 4), int), np.full((60, 4), -1)])
def test_people_all_alike_or_never_seen_are_one_class(states):
    found = fit(states, 2, starts=3)
    assert found.log_likelihood == pytest.approx(0)
    assert np.isfinite(found.bic)
