"""The covariance of people's starts and slopes: the REML deviance from counts, and its minimum.

Belongs here: what `slopes.mixed` minimises. Does not belong here: the line and its error.

With x = (1, time), a person who answered at some set of waves has V = I + x psi x' relative to the
variance within people. Everything the deviance needs of it is 2 x 2, and with D = x'x and adj the
adjugate

    x'V^-1 x = (D + |D| adj(psi)) / delta        x'V^-1 = (I + adj(psi) adj(D)) x' / delta
    delta = |V| = 1 + D00 a + 2 D01 b + D11 c + |D| |psi|       psi = ((a, b), (b, c))

so that sums over people, divided by delta, give it for any psi, and its derivatives too.
Source: Lindstrom and Bates 1988, who profile the variance out in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from registry_pipeline.statistics.intervals import FloatArray

MAX_STEPS: Final = 100
HALVINGS: Final = 30
AT_REST: Final = 1e-9
"""The search ends where a step would lower the deviance by less than this; it is still taken."""

ROUNDING: Final = 1e-14
"""A deviance that rises by less than this share of it has not risen: with half a million answers
its last digits are noise, and near the minimum every step is as small."""

NUDGE: Final = 1e-6
FLAT: Final = 1e-9
"""A curvature below this share of the steepest one counts as this share of it."""

ADJUGATES: Final = np.array(
    [
        [[0.0, 0.0], [0.0, 1.0]],
        [[0.0, -1.0], [-1.0, 0.0]],
        [[1.0, 0.0], [0.0, 0.0]],
        np.zeros((2, 2)),
    ]
)
"""What a, b, c and |psi| have in adj(psi)."""


@dataclass(frozen=True)
class Deviance:
    """Minus twice the restricted log likelihood, up to a constant, one element per set of waves.

    Attributes:
        people: number of people.
        factors: what delta has of a, b, c and |psi|: D00, 2 D01, D11 and |D|.
        sums: over people, what is divided by delta: D00, D01, D11 and |D|; x'y and adj(D) x'y; and
            what y'V^-1 y lacks of y'y per a, b, c and |psi|.
        squares: sum of y'y over everyone.
        n: number of answers.
    """

    people: FloatArray
    factors: FloatArray
    sums: FloatArray
    squares: float
    n: float

    @classmethod
    def of(
        cls, people: FloatArray, design: FloatArray, total: FloatArray, products: FloatArray,
        squares: float,
    ) -> Deviance:  # fmt: skip
        """From the x'x of each set of waves and the sums over its people, as `slopes.Courses`."""
        one, both, two = design[:, 0, 0], design[:, 0, 1], design[:, 1, 1]
        size = one * two - both**2
        y, day_y = total.T
        p00, p01, p11 = products[:, 0, 0], products[:, 0, 1], products[:, 1, 1]
        sums = [
            *(people * part for part in (one, both, two, size)),
            *(y, day_y, two * y - both * day_y, one * day_y - both * y),
            *(p00, 2 * p01, p11, two * p00 - 2 * both * p01 + one * p11),
        ]
        factors = np.column_stack([one, 2 * both, two, size])
        return cls(people, factors, np.column_stack(sums), squares, float(people @ one))

    def __call__(self, roots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values and gradients at the lower triangles (00, 10, 11) of roots of psi, a row each.

        A root needs no bounds: psi is singular where its last element is 0. The value is infinite
        where rounding leaves no variance within people.
        """
        first, both, last = roots.T
        zero = np.zeros_like(first)
        psi = np.column_stack([first**2, first * both, both**2 + last**2, (first * last) ** 2])
        turn = np.array(
            [
                [2 * first, zero, zero],
                [both, first, zero],
                [zero, 2 * both, 2 * last],
                [2 * first * last**2, zero, 2 * first**2 * last],
            ]
        )
        part = 1 / (1 + psi @ self.factors.T)
        sums = part @ self.sums
        slopes = -(self.factors.T[:, None, :] * part**2) @ self.sums
        adjugate = np.tensordot(psi, ADJUGATES, 1)
        information = _square(sums) + sums[:, 3, None, None] * adjugate
        bread = np.linalg.inv(information)
        score = sums[:, 4:6] + np.einsum("sij,sj->si", adjugate, sums[:, 6:8])
        beta = np.einsum("sij,sj->si", bread, score)
        rss = self.squares - (psi * sums[:, 8:]).sum(axis=1) - (beta * score).sum(axis=1)
        turned = (
            _square(slopes)
            + slopes[:, :, 3, None, None] * adjugate
            + sums[:, 3, None, None] * ADJUGATES[:, None]
        )
        moved = (
            slopes[:, :, 4:6]
            + np.einsum("ksi,sij->ksj", slopes[:, :, 6:8], adjugate)
            + np.einsum("kij,sj->ksi", ADJUGATES, sums[:, 6:8])
        )
        fall = (
            np.einsum("si,ksij,sj->ks", beta, turned, beta)
            - 2 * np.einsum("ksi,si->ks", moved, beta)
            - np.einsum("ksj,sj->ks", slopes[:, :, 8:], psi)
            - sums[:, 8:].T
        )
        degrees, sound = self.n - 2, rss > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            value = (
                degrees * np.log(rss)
                - np.log(part) @ self.people
                + np.linalg.slogdet(information)[1]
            )
            gradient = (
                degrees / rss * fall
                + (self.factors.T * self.people) @ part.T
                + np.einsum("sij,ksji->ks", bread, turned)
            )
        slope = np.einsum("ks,kjs->sj", gradient, turn)
        return np.where(sound, value, np.inf), np.where(sound[:, None], slope, np.nan)


def minimum(deviance: Deviance, start: FloatArray) -> FloatArray | None:
    """Where the deviance is least, by Newton's method; null where it does not come to rest."""
    at, (value, gradient, curvature) = start, _around(deviance, start)
    for _ in range(MAX_STEPS):
        if not np.isfinite(curvature).all():
            return None
        size, turn = np.linalg.eigh((curvature + curvature.T) / (2 * NUDGE))
        size = np.maximum(np.abs(size), FLAT * np.abs(size).max())
        step = -turn @ (turn.T @ gradient / size)
        gain = -float(gradient @ step)
        if gain < AT_REST:
            return np.asarray(at + step, dtype=np.float64)
        for _ in range(HALVINGS):
            reached, slope, bent = _around(deviance, at + step)
            if reached <= value + ROUNDING * abs(value):
                break
            step = step / 2
        else:
            return None
        at, value, gradient, curvature = at + step, reached, slope, bent
    return None


def _around(deviance: Deviance, root: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Value and gradient at a root, and how the gradient changes a nudge away, in one pass."""
    values, gradients = deviance(np.vstack([root, root + NUDGE * np.eye(3)]))
    return float(values[0]), gradients[0], gradients[1:] - gradients[0]


def _square(parts: FloatArray) -> FloatArray:
    """The symmetric matrices of which 00, 01 and 11 are given, in the last dimension."""
    one, both, two = (parts[..., place] for place in range(3))
    return np.stack([np.stack([one, both], -1), np.stack([both, two], -1)], -1)
