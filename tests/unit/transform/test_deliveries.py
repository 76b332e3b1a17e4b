"""Cut-offs per sender and form, as the ledger gives them."""

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl

from registry_pipeline.transform.deliveries import cutoffs

OCTOBER, JANUARY, APRIL = date(2014, 10, 1), date(2015, 1, 5), date(2015, 4, 1)
Ledger = Callable[..., pl.DataFrame]


def known_until(both: Any, *ledgers: pl.DataFrame) -> dict[tuple[str, str], date]:
    """(sender, form) to cut-off."""
    rows = both(cutoffs, deliveries=pl.concat(ledgers))
    assert rows.unique(["sender", "form"]).height == rows.height
    return {(row["sender"], row["form"]): row["cutoff_date"] for row in rows.to_dicts()}


def test_the_latest_full_delivery_counts(both_engines: Any, ledger: Ledger) -> None:
    lines = ledger(
        ("2014-Q4", 1, "full", JANUARY), ("2014-Q3", 1, "full", OCTOBER), forms=("interviews",)
    )
    assert known_until(both_engines, lines) == {("helse-bergen", "interviews"): JANUARY}


def test_a_correction_never_moves_the_cutoff(both_engines: Any, ledger: Ledger) -> None:
    lines = ledger(
        ("2014-Q3", 1, "full", OCTOBER),
        ("2014-Q3", 2, "correction", JANUARY),
        forms=("interviews",),
    )
    assert known_until(both_engines, lines) == {("helse-bergen", "interviews"): OCTOBER}


def test_latest_is_by_quarter_and_number_not_by_day(both_engines: Any, ledger: Ledger) -> None:
    lines = ledger(
        ("2014-Q4", 1, "full", JANUARY), ("2014-Q3", 2, "full", APRIL), forms=("interviews",)
    )
    assert known_until(both_engines, lines) == {("helse-bergen", "interviews"): JANUARY}


def test_a_form_the_last_delivery_does_not_hold(both_engines: Any, ledger: Ledger) -> None:
    lines = (
        ledger(("2014-Q3", 1, "full", OCTOBER), forms=("interviews", "events")),
        ledger(("2014-Q4", 1, "full", JANUARY), forms=("interviews",)),
    )
    assert known_until(both_engines, *lines) == {
        ("helse-bergen", "interviews"): JANUARY,
        ("helse-bergen", "events"): OCTOBER,
    }


def test_a_refused_file_moves_nothing(both_engines: Any, ledger: Ledger) -> None:
    lines = (
        ledger(("2014-Q3", 1, "full", OCTOBER), forms=("interviews",)),
        ledger(("2014-Q4", 1, "full", JANUARY), forms=("interviews",), status="refused"),
    )
    assert known_until(both_engines, *lines) == {("helse-bergen", "interviews"): OCTOBER}


def test_each_sender_has_its_own(both_engines: Any, ledger: Ledger) -> None:
    lines = (
        ledger(("2014-Q3", 1, "full", OCTOBER), forms=("interviews",), sender="north"),
        ledger(("2014-Q4", 1, "full", JANUARY), forms=("interviews",), sender="south"),
    )
    assert known_until(both_engines, *lines) == {
        ("north", "interviews"): OCTOBER,
        ("south", "interviews"): JANUARY,
    }


def test_without_a_full_delivery_the_latest_of_any_kind(both_engines: Any, ledger: Ledger) -> None:
    lines = ledger(
        ("2014-Q3", 1, "correction", OCTOBER),
        ("2014-Q4", 1, "correction", JANUARY),
        forms=("interviews",),
    )
    assert known_until(both_engines, lines) == {("helse-bergen", "interviews"): JANUARY}


def test_a_form_that_only_corrections_hold_has_the_senders_cutoff(
    both_engines: Any, ledger: Ledger
) -> None:
    lines = (
        ledger(("2014-Q3", 1, "full", OCTOBER), forms=("interviews",)),
        ledger(("2014-Q3", 2, "correction", JANUARY), forms=("events",)),
    )
    assert known_until(both_engines, *lines) == {
        ("helse-bergen", "interviews"): OCTOBER,
        ("helse-bergen", "events"): OCTOBER,
    }
