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

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
    """Minus twice the restricted log likelihood of each group, up to a constant.

    Attributes:
        people: number of people, groups x sets of waves.
        factors: what delta has of a, b, c and |psi|: D00, 2 D01, D11 and |D|, by set of waves.
        sums: over people, what is divided by delta, groups x sets of waves x 12: D00, D01, D11
            and |D|; x'y and adj(D) x'y; and what y'V^-1 y lacks of y'y per a, b, c and |psi|.
        squares: sum of y'y over everyone of a group.
        n: number of answers of a group.
    """

    people: FloatArray
    factors: FloatArray
    sums: FloatArray
    squares: FloatArray
    n: FloatArray

    @classmethod
    def of(
        cls, people: FloatArray, design: FloatArray, total: FloatArray, products: FloatArray,
        squares: FloatArray,
    ) -> Deviance:  # fmt: skip
        """From the x'x of each set of waves and the sums over its people, as `slopes.Courses`."""
        one, both, two = design[:, 0, 0], design[:, 0, 1], design[:, 1, 1]
        size = one * two - both**2
        y, day_y = total[..., 0], total[..., 1]
        p00, p01, p11 = products[..., 0, 0], products[..., 0, 1], products[..., 1, 1]
        sums = [
            *(people * part for part in (one, both, two, size)),
            *(y, day_y, two * y - both * day_y, one * day_y - both * y),
            *(p00, 2 * p01, p11, two * p00 - 2 * both * p01 + one * p11),
        ]
        factors = np.column_stack([one, 2 * both, two, size])
        return cls(people, factors, np.stack(sums, axis=-1), squares, people @ one)

    def of_groups(self, groups: NDArray[np.bool_]) -> Deviance:
        """That of some of the groups."""
        parts = (self.people, self.sums, self.squares, self.n)
        people, sums, squares, n = (part[groups] for part in parts)
        return replace(self, people=people, sums=sums, squares=squares, n=n)

    def __call__(self, roots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values and gradients at the lower triangles (00, 10, 11) of roots of psi.

        A root needs no bounds: psi is singular where its last element is 0. The value is infinite
        where rounding leaves no variance within people.

        Args:
            roots: groups x roots x 3.
        """
        first, both, last = np.moveaxis(roots, -1, 0)
        zero = np.zeros_like(first)
        psi = np.stack([first**2, first * both, both**2 + last**2, (first * last) ** 2], axis=-1)
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
        turns = self.factors.T[:, None, :] * (part**2)[:, None]
        slopes = -(turns.reshape(len(roots), -1, len(self.factors)) @ self.sums)
        slopes = slopes.reshape(*turns.shape[:3], -1)
        adjugate = np.tensordot(psi, ADJUGATES, 1)
        information = _square(sums) + sums[..., 3, None, None] * adjugate
        bread = np.linalg.inv(information)
        score = sums[..., 4:6] + np.einsum("gsij,gsj->gsi", adjugate, sums[..., 6:8])
        beta = np.einsum("gsij,gsj->gsi", bread, score)
        rss = self.squares[:, None] - (psi * sums[..., 8:]).sum(-1) - (beta * score).sum(-1)
        turned = (
            _square(slopes)
            + slopes[..., 3, None, None] * adjugate[:, None]
            + sums[:, None, :, 3, None, None] * ADJUGATES[:, None]
        )
        moved = (
            slopes[..., 4:6]
            + np.einsum("gksi,gsij->gksj", slopes[..., 6:8], adjugate)
            + np.einsum("kij,gsj->gksi", ADJUGATES, sums[..., 6:8])
        )
        fall = (
            np.einsum("gsi,gksij,gsj->gks", beta, turned, beta)
            - 2 * np.einsum("gksi,gsi->gks", moved, beta)
            - np.einsum("gksj,gsj->gks", slopes[..., 8:], psi)
            - sums[..., 8:].swapaxes(1, 2)
        )
        degrees, sound = self.n[:, None] - 2, rss > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            value = (
                degrees * np.log(rss)
                - (np.log(part) @ self.people[:, :, None])[..., 0]
                + np.linalg.slogdet(information)[1]
            )
            gradient = (
                (degrees / rss)[:, None] * fall
                + (self.factors.T * self.people[:, None]) @ part.swapaxes(1, 2)
                + np.einsum("gsij,gksji->gks", bread, turned)
            )
        slope = np.einsum("gks,kjgs->gsj", gradient, turn)
        return np.where(sound, value, np.inf), np.where(sound[..., None], slope, np.nan)


def minimum(deviance: Deviance, start: FloatArray) -> FloatArray:
    """Where the deviance of each group is least, by Newton's method; NaN where the search fails.

    Args:
        deviance: of all groups.
        start: the root that every search begins at.
    """
    found = np.full((len(deviance.n), 3), np.nan)
    at = np.tile(start, (len(found), 1))
    value, gradient, curvature = _around(deviance, at)
    searched = np.arange(len(found))
    for _ in range(MAX_STEPS):
        sound = np.asarray(np.isfinite(curvature).all(axis=(1, 2)))
        step, gain = _newton(gradient[sound], curvature[sound])
        rests = gain < AT_REST
        found[searched[sound][rests]] = (at[sound] + step)[rests]
        sound[sound], step = ~rests, step[~rests]
        if not len(step):
            break
        searched, at, value, deviance = (
            searched[sound], at[sound], value[sound], deviance.of_groups(sound),
        )  # fmt: skip
        reached, gradient, curvature = _around(deviance, at + step)
        for _ in range(HALVINGS):
            high = ~(reached <= value + ROUNDING * np.abs(value))
            if not high.any():
                break
            step[high] /= 2
            again = _around(deviance.of_groups(high), (at + step)[high])
            reached[high], gradient[high], curvature[high] = again
        curvature[high] = np.nan
        at, value = at + step, reached
    return found


def _newton(gradient: FloatArray, curvature: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The step of each group, downhill whatever the curvature, and what it should gain."""
    size, turn = np.linalg.eigh((curvature + curvature.swapaxes(1, 2)) / (2 * NUDGE))
    size = np.maximum(np.abs(size), FLAT * np.abs(size).max(axis=1, keepdims=True))
    along = (gradient[:, None] @ turn)[:, 0] / size
    step = -(turn @ along[:, :, None])[:, :, 0]
    return step, -(gradient * step).sum(axis=1)


def _around(deviance: Deviance, root: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value and gradient at a root, and how the gradient changes a nudge away, in one pass."""
    nudged = root[:, None] + np.vstack([np.zeros(3), NUDGE * np.eye(3)])
    values, gradients = deviance(nudged)
    return values[:, 0], gradients[:, 0], gradients[:, 1:] - gradients[:, :1]


def _square(parts: FloatArray) -> FloatArray:
    """The symmetric matrices of which 00, 01 and 11 are given, in the last dimension."""
    one, both, two = (parts[..., place] for place in range(3))
    return np.stack([np.stack([one, both], -1), np.stack([both, two], -1)], -1)
