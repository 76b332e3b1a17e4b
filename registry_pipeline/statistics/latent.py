"""Latent classes of courses: a mixture fitted to sequences of states, with its BIC and entropy.

Belongs here: the fit from counts of people with the same sequence.
Does not belong here: which people, how many classes are looked at, classes by rules.

Within a class the waves are independent, each with its own probabilities of the states; a missing
wave says nothing of the class (Lazarsfeld and Henry 1968; Bakk and Kuha 2018). Fitted by EM from
many random starts at once, seeded, so the same counts give the same classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from registry_pipeline.statistics.intervals import FloatArray

MISSING: Final = -1
SEED: Final = 2014
MAX_STEPS: Final = 2000
MAX_STEPS_OF_BEST: Final = 20_000
CONVERGED: Final = 1e-10
TINY: Final = 1e-300
AT_BOUND: Final = 1e-6
"""A share or probability nearer to 0 or 1 than this is taken as known, and has no error."""


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture; classes in order of their mean state.

    Attributes:
        share: of each class.
        probability: classes x waves x states.
        posterior: sequences x classes.
        log_likelihood: at the best of the starts.
        n_parameters: free shares and probabilities.
        bic: -2 log likelihood and log(people) for each parameter.
        entropy: how clearly people fall into classes, 1 is clear; null for a single class.
    """

    share: FloatArray
    probability: FloatArray
    posterior: FloatArray
    log_likelihood: float
    n_parameters: int
    bic: float
    entropy: float | None


def mixture(
    sequences: NDArray[np.int64], people: FloatArray, *, n_states: int, n_classes: int, starts: int
) -> Mixture:
    """The mixture of `n_classes` with the highest likelihood of all starts.

    Args:
        sequences: a row per sequence that occurs, a state from 0 per wave, or `MISSING`.
        people: with each sequence.
        n_states: number of states.
        n_classes: number of classes, at least one.
        starts: random starts.
    """
    there = sequences[:, :, None] == np.arange(n_states)
    answers = there.reshape(len(sequences), -1).astype(np.float64)
    asked = np.repeat(there.any(axis=2), n_states, axis=1).astype(np.float64)
    draw = np.random.default_rng(SEED)
    posterior = draw.dirichlet(np.ones(n_classes), (starts, len(sequences)))
    reached = np.full(starts, -np.inf)
    for _ in range(MAX_STEPS):
        before = reached
        posterior, reached, *_ = _step(posterior, people, answers, asked)
        if np.all(reached - before <= CONVERGED * np.abs(reached)):
            break
    # Near the maximum the likelihood is flat: it stands still long before the shares do.
    best = posterior[reached.argmax()][None]
    for _ in range(MAX_STEPS_OF_BEST):
        earlier = best
        best, reached, share, probability = _step(best, people, answers, asked)
        if np.abs(best - earlier).max() < CONVERGED:
            break
    waves = sequences.shape[1]
    probability = probability[0].reshape(n_classes, waves, n_states)
    order = np.argsort((probability * np.arange(n_states)).sum(axis=(1, 2)), kind="stable")
    free = n_classes - 1 + n_classes * waves * (n_states - 1)
    value = float(reached[0])
    return Mixture(
        share[0][order],
        probability[order],
        best[0][:, order],
        value,
        free,
        -2 * value + free * float(np.log(people.sum())),
        _entropy(best[0], people),
    )


def _step(
    posterior: FloatArray, people: FloatArray, answers: FloatArray, asked: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """One step of EM of every start.

    Args:
        posterior: starts x sequences x classes.
        people: with each sequence.
        answers: sequences x (waves x states), whether it is the state.
        asked: the same, whether the wave has a state.

    Returns:
        The posterior of the shares and probabilities it led to, their log likelihood, and these.
    """
    weight = posterior * people[:, None]
    share = weight.sum(axis=1) / people.sum()
    said = np.einsum("swk,wd->skd", weight, answers)
    probability = said / np.maximum(np.einsum("swk,wd->skd", weight, asked), TINY)
    joint = np.einsum("wd,skd->swk", answers, np.log(np.maximum(probability, TINY)))
    joint += np.log(np.maximum(share, TINY))[:, None, :]
    most = joint.max(axis=2, keepdims=True)
    total = np.exp(joint - most).sum(axis=2, keepdims=True)
    reached = (most + np.log(total))[:, :, 0] @ people
    return np.exp(joint - most) / total, reached, share, probability


def _entropy(posterior: FloatArray, people: FloatArray) -> float | None:
    """Relative entropy of the classification (Celeux and Soromenho 1996)."""
    n_classes = posterior.shape[1]
    if n_classes == 1:
        return None
    doubt = -(posterior * np.log(np.maximum(posterior, TINY))).sum(axis=1) @ people
    return float(1 - doubt / (people.sum() * np.log(n_classes)))


@dataclass(frozen=True)
class Errors:
    """Standard errors of a fitted mixture, given its number of classes.

    Attributes:
        share: of each class's share; 0 for a single class.
        state: classes x states, of a state's probability in the mean over the waves.
        n_numbers: how many numbers the model estimates between 0 and 1.
    """

    share: FloatArray
    state: FloatArray
    n_numbers: int


def standard_errors(
    fit: Mixture, sequences: NDArray[np.int64], people: FloatArray
) -> Errors | None:
    """Standard errors from the observed information in its empirical form.

    That is the sum over people of the products of their scores: a person whose class is in doubt
    tells less. Source: McLachlan and Peel 2000, section 2.15.

    Returns:
        Null where a share or all probabilities are 0 or 1, or the answers do not tell the numbers
        apart.
    """
    n_classes, n_waves, n_states = fit.probability.shape
    if fit.share.min() < AT_BOUND:
        return None
    of = fit.posterior
    scores = [*(of[:, :-1] / fit.share[:-1] - of[:, -1:] / fit.share[-1]).T]
    told_of = np.eye(n_classes * (1 + n_states))  # shares, then the states of each class
    moved = [*(told_of[: n_classes - 1] - told_of[n_classes - 1])]
    for place, wave in np.ndindex(n_classes, n_waves):
        states = fit.probability[place, wave]
        inside = np.flatnonzero((states > AT_BOUND) & (states < 1 - AT_BOUND))
        told = (sequences[:, wave, None] == inside) / states[inside]
        scores += [*(of[:, place] * (told[:, :-1] - told[:, -1:]).T)]
        at = n_classes + n_states * place + inside
        moved += [*(told_of[at[:-1]] - told_of[at[-1:]]) / n_waves]
    if not scores:
        return None
    matrix = np.array(scores)
    information = (matrix * people) @ matrix.T
    scale = np.sqrt(np.diag(information))
    standard = information / np.outer(scale, scale)
    if np.linalg.matrix_rank(standard, hermitian=True) < len(standard):
        return None
    by_number = np.array(moved) / scale[:, None]
    variance = (by_number * np.linalg.solve(standard, by_number)).sum(axis=0)
    error = np.sqrt(np.maximum(variance, 0))
    return Errors(error[:n_classes], error[n_classes:].reshape(n_classes, -1), len(standard))
