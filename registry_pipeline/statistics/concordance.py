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
    pairs = float(days.events @ staying.sum(axis=1))
    if not pairs:
        return None
    # Per event day and combination, the gains and the number of the pairs of one who leaves, and
    # of one who stays.
    of_leaving = np.dstack(np.broadcast_arrays(staying @ order.T, staying.sum(axis=1)[:, None]))
    of_staying = np.dstack(np.broadcast_arrays(days.leaving @ order, days.events[:, None]))
    so_far = np.concatenate([np.zeros((1, *of_staying.shape[1:])), of_staying.cumsum(axis=0)])
    somers = float((days.leaving * of_leaving[:, :, 0]).sum()) / pairs
    event, which = stays.is_event, stays.which
    last = days.passed(stays.exit_day)
    entered = np.where(stays.entry_day > 0, days.passed(stays.entry_day), 0)
    # Whoever leaves on a day is compared with nobody else who does.
    own = so_far[last - event, which] - so_far[np.minimum(entered, last - event), which]
    own[event] += of_leaving[last[event] - 1, which[event]]
    influence = (own[:, 0] - somers * own[:, 1]) / pairs
    return (1 + somers) / 2, float(np.sqrt(stays.people @ influence**2)) / 2
