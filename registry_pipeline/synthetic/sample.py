"""The committed sample: the LAR X cohort of the published margins, as flawed as real deliveries.

Belongs here: writing the sample's landing folders from the committed seeds.
Does not belong here: how people live (see `cohort`), what is wrong with the rows (see `flaws`),
the other programmes' cohorts (see `randers` and `tsb`).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.cohort import simulate
from registry_pipeline.synthetic.deliveries import Delivery, carried, periods, write_delivery
from registry_pipeline.synthetic.draw import shaped
from registry_pipeline.synthetic.flaws import add_flaws
from registry_pipeline.synthetic.people import CONSENTED
from registry_pipeline.synthetic.randers import write_randers
from registry_pipeline.synthetic.tsb import write_tsb
from schemas.protocol import Protocol, load_shipped

SEED: Final = 2036
"""The seed of the committed sample; chosen for two deaths and exits of many types."""


def write_sample(out: Path) -> None:
    """Writes `<out>/lar_x`, `withdrawal/lar_x`, `randers` and `tsb`, byte for byte as committed.

    The first is the cohort with its flaws: 328 eligible, 70 consented, ten quarters and two
    corrections. The second is one delivery that erases a person, apart, so that the margins
    hold by default. The others are the cohorts of the other programmes.

    Raises:
        FileExistsError: a delivery folder is there already; nothing is overwritten.
    """
    protocol = load_shipped("lar_x")
    cohort = simulate(protocol, 0, CONSENTED, np.random.default_rng([SEED, 0]))
    deliveries = {
        period.quarter: Delivery(period.quarter, period.until, carried(cohort, period))
        for period in periods(protocol)
    }
    add_flaws(deliveries)
    for delivery in deliveries.values():
        write_delivery(out, protocol.id, delivery)
    write_delivery(out / "withdrawal", protocol.id, _withdrawal(protocol, cohort["interviews"]))
    write_randers(out)
    write_tsb(out)


def _withdrawal(protocol: Protocol, interviews: pl.DataFrame) -> Delivery:
    """A delivery in which someone who was interviewed to the end has everything erased."""
    last_wave = len(protocol.waves.nominal_days) - 1
    person = interviews.filter(planned_wave=last_wave, status="completed").tail(1)
    withdrawal = person.select(
        "patient_id",
        withdrawn_date=pl.lit(date(2016, 10, 10)),
        scope=pl.lit("erase"),
    )
    return Delivery(
        quarter="2016-Q3",
        number=2,
        extracted_on=date(2016, 10, 14),
        tables={"withdrawals": shaped("withdrawals", protocol, withdrawal)},
    )
