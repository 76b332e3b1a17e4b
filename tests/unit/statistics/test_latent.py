"""Latent classes from counts: StepMix's answers, a closed form, and odd input."""

import numpy as np
import pytest
from stepmix.stepmix import StepMix

from registry_pipeline.statistics.latent import mixture, standard_errors


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
        abs_tol=1e-16, max_iter=5000, progress_bar=0, verbose=0,
    ).fit(rows)  # fmt: skip
    ours = fit(states, n_classes)
    assert ours.log_likelihood == pytest.approx(theirs.score(rows) * len(rows), abs=1e-6)
    assert ours.bic == pytest.approx(theirs.bic(rows), abs=1e-6)
    assert ours.n_parameters == theirs.n_parameters
    assert sorted(ours.share) == pytest.approx(sorted(theirs.weights_), abs=1e-7)
    if n_classes > 1:
        assert ours.entropy == pytest.approx(theirs.relative_entropy(rows), abs=1e-7)


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


def with_errors(states, n_classes=2, starts=3):
    """The fit of people, and its errors."""
    sequences, people = np.unique(states, axis=0, return_counts=True)
    found = mixture(sequences, people.astype(float), n_states=3, n_classes=n_classes, starts=starts)
    return found, standard_errors(found, sequences, people.astype(float))


def test_the_errors_are_how_much_the_numbers_move_from_sample_to_sample():
    draw = np.random.default_rng(8)
    shares, states_of, errors = [], [], []
    for _ in range(80):
        heavy = draw.random((500, 1)) < 0.4
        level = draw.random((500, 5))
        states = np.where(heavy, (level > 0.15) * 1 + (level > 0.5), (level > 0.6) * 1)
        found, told = with_errors(states.astype(np.int64))
        shares.append(found.share)
        states_of.append(found.probability.mean(axis=1))
        errors.append(told)
    share = np.mean([told.share for told in errors], axis=0)
    assert share == pytest.approx(np.std(shares, axis=0), rel=0.2)
    assert share.min() > np.sqrt(0.4 * 0.6 / 500)  # more than if classes were seen
    state = np.mean([told.state for told in errors], axis=0)
    spread = np.std(states_of, axis=0)
    assert state[spread > 0.005] == pytest.approx(spread[spread > 0.005], rel=0.25)
    assert state[0, 2] == pytest.approx(0, abs=0.003)  # nobody of the first class uses regularly


def test_three_classes_without_doubt_have_the_errors_of_counted_shares():
    states = np.repeat([[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2]], [50, 30, 20], axis=0)
    found, told = with_errors(states, 3, starts=20)
    assert found.share == pytest.approx([0.5, 0.3, 0.2])
    assert told.share == pytest.approx(np.sqrt([0.5 * 0.5 / 100, 0.3 * 0.7 / 100, 0.2 * 0.8 / 100]))
    assert told.state == pytest.approx(np.zeros((3, 3)))  # each state is certain in its class
    assert told.n_numbers == 2


def test_the_states_of_a_single_class_have_the_errors_of_counted_shares():
    one_wave = np.repeat([[0], [1], [2]], [50, 30, 20], axis=0)
    found, told = with_errors(one_wave, 1)
    assert found.probability[0, 0] == pytest.approx([0.5, 0.3, 0.2])
    assert told.state[0] == pytest.approx(
        np.sqrt([0.5 * 0.5 / 100, 0.3 * 0.7 / 100, 0.2 * 0.8 / 100])
    )
    assert (told.share.tolist(), told.n_numbers) == ([0], 2)


def test_the_mean_over_independent_waves_has_a_smaller_error():
    draw = np.random.default_rng(3)
    states = draw.integers(0, 3, (4000, 4))
    _, told = with_errors(states, 1)
    assert told.state[0] == pytest.approx(np.sqrt((1 / 3) * (2 / 3) / (4000 * 4)), rel=0.1)


def test_answers_that_do_not_tell_the_classes_apart_have_no_error():
    one_wave = np.repeat([[0], [1], [2]], [50, 30, 20], axis=0)
    assert with_errors(one_wave)[1] is None
    assert with_errors(np.zeros((60, 4), np.int64), 1)[1] is None
