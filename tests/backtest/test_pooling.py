"""Rubin's rules against mice::pool.scalar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from registry_pipeline.statistics.contrasts import pool

pytestmark = pytest.mark.backtest


@pytest.mark.parametrize(("name", "df_complete"), [("n_inf", np.inf), ("n120_k3", 120 - 3)])
def test_pooled(answers: Any, agree: Any, name: str, df_complete: float) -> None:
    key = answers("rubin_rules")
    values, variances = (np.array(key["inputs"][part])[:, None] for part in ("Q", "U"))
    pooled, keyed = pool(values, variances, df_complete), key[name]
    ours = {
        "m": float(len(values)),
        "qbar": pooled.estimate.item(),
        "ubar": pooled.within.item(),
        "b": pooled.between.item(),
        "t": pooled.variance.item(),
        "df": pooled.df.item(),
        "r": pooled.increase.item(),
        "fmi": pooled.missing_information.item(),
    }
    assert ours.keys() == keyed.keys()
    agree((part, value, keyed[part]) for part, value in ours.items())
