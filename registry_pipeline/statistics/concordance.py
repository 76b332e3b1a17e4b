"""How well a model of the hazard tells who leaves first: the concordance of Harrell.

Belongs here: the share of pairs ordered rightly, from counts of people alike, and its error.
Does not belong here: the model (see `cox`).
"""

from __future__ import annotations

import numpy as np

from registry_pipeline.statistics.cox import Stays
from registry_pipeline.statistics.intervals import FloatArray


def concordance(stays: Stays, beta: FloatArray) -> tuple[float, float] | None:
    """Of pairs of which one leaves while the other stays, the share in which the hazard says so.

    Pairs with equal hazards count as half. The error is the infinitesimal jackknife over people,
    as R's `concordance` gives it; delayed entry and ties are as in `cox`.
    Source: Harrell 1982; Therneau and Atkinson 2024.

    Args:
        stays: the people.
        beta: log hazard ratios of the terms, all of them finite.

    Returns:
        The concordance, one half where the model tells nothing, and its error; null where no two
        people can be compared.
    """
    days = stays.days
    hazard = days.terms @ beta
    order = np.sign(hazard[:, None] - hazard[None, :])
    staying = days.at_risk - days.leaving
    compared = staying.sum(axis=1)
    pairs = float(days.events @ compared)
    if not pairs:
        return None
    # Per event day and combination, the gains of the pairs of one who leaves, and of one who
    # stays, each less what as many pairs gain on average.
    gains = staying @ order.T
    somers = float((days.leaving * gains).sum()) / pairs
    of_leaving = gains - somers * compared[:, None]
    of_staying = days.leaving @ order - somers * days.events[:, None]
    so_far = np.vstack([np.zeros(len(order)), of_staying.cumsum(axis=0)])
    event, which, late = stays.is_event, stays.which, stays.entry_day > 0
    last = days.passed(stays.exit_day)
    # Whoever leaves on a day is compared with nobody else who does.
    own = so_far[last - event, which]
    entered = days.passed(stays.entry_day[late])
    own[late] -= so_far[np.minimum(entered, (last - event)[late]), which[late]]
    own[event] += of_leaving[last[event] - 1, which[event]]
    return (1 + somers) / 2, float(np.sqrt(stays.people @ own**2)) / pairs / 2
