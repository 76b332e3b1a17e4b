"""What the ledger says of deliveries: cut-offs, per sender and form.

Belongs here: reading `meta.delivery`. Does not belong here: rows of forms.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame

LATEST: Final = ("is_full", "quarter", "number", "delivery")
"""A full delivery before any correction, then the later before the earlier."""


def accepted(deliveries: Frame) -> Frame:
    """One row per accepted delivery and form: its place, sender, extracted_on and is_full."""
    return (
        deliveries.filter(nw.col("status") == "accepted")
        .select(
            "delivery",
            "form",
            "quarter",
            "number",
            "sender",
            "extracted_on",
            is_full=nw.col("kind") == "full",
        )
        .unique()
    )


def cutoffs(deliveries: Frame) -> Frame:
    """The day up to which each sender's rows of each form are known.

    Grain: sender and form, for every form that any sender delivered. It is the extracted_on of
    the sender's latest full delivery that holds the form; failing that, of the sender's latest
    full delivery; and for a sender without any, of its latest delivery of whatever kind.
    A correction never moves the cut-off of a sender with a full delivery.

    Args:
        deliveries: meta.delivery of one protocol.

    Returns:
        [sender, form, cutoff_date, sender_cutoff_date], the last the same for all its forms.
    """
    files = accepted(deliveries)
    by_sender = files.unique(["sender"], keep="last", order_by=LATEST).select(
        "sender", sender_cutoff_date="extracted_on", has_full="is_full"
    )
    by_form = files.unique(["sender", "form"], keep="last", order_by=LATEST).select(
        "sender", "form", "is_full", "extracted_on"
    )
    grid = by_sender.join(files.select("form").unique(), how="cross")
    own = nw.when(nw.col("is_full") | ~nw.col("has_full")).then(nw.col("extracted_on"))
    return grid.join(by_form, on=["sender", "form"], how="left").select(
        "sender",
        "form",
        nw.coalesce(own, nw.col("sender_cutoff_date")).alias("cutoff_date"),
        "sender_cutoff_date",
    )


def files(deliveries: Frame) -> Frame:
    """One row per accepted delivery and form: `accepted` with cutoff_date, sender_cutoff_date."""
    return accepted(deliveries).join(cutoffs(deliveries), on=["sender", "form"], how="left")
