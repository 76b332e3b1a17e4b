"""What became of a delivery: a report per form, its line in the ledger, what marks its rows.

Belongs here: the two reports, which whoever is told of a delivery reads.
Does not belong here: taking it in (`intake`), judging it without (`commands.dry_run`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.warehouse import ledger
from registry_pipeline.warehouse.changes import Changes
from registry_pipeline.warehouse.tables import Constants


@dataclass(frozen=True)
class FileReport:
    """What became of one form of a delivery.

    Attributes:
        status: accepted, refused, or unchanged (the same bytes were taken in before).
        message: one clear sentence for a refusal.
    """

    form: str
    status: str
    n_received: int = 0
    n_accepted: int = 0
    n_quarantined: int = 0
    n_warning: int = 0
    n_erased: int = 0
    n_left_out: int = 0
    n_retracted: int = 0
    n_retracted_unmet: int = 0
    changes: Changes = field(default_factory=Changes)
    message: str = ""


@dataclass
class DeliveryReport:
    """What became of one delivery: a report per form, and what is wrong with the delivery.

    Attributes:
        leaving: tombstone of each person it asks to erase, to the ways of writing their id: known
            here alone, for the search that proves them gone, and never written.
    """

    protocol: str
    delivery: str
    files: list[FileReport] = field(default_factory=list)
    message: str = ""
    leaving: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def messages(self) -> list[str]:
        """Every refusal, one sentence each."""
        refused = [report.message for report in self.files if report.message]
        return [self.message, *refused] if self.message else refused


def line(manifest: Manifest, delivery: str, report: FileReport, sha: str | None) -> ledger.Entry:
    """The ledger's line of a form of a delivery, from what became of it."""
    return ledger.Entry(
        protocol=manifest.protocol,
        delivery=delivery,
        form=report.form,
        quarter=manifest.quarter,
        number=manifest.number,
        sender=manifest.sender,
        kind=manifest.kind,
        extracted_on=manifest.extracted_on,
        file_sha256=sha,
        status=report.status,
        n_received=report.n_received,
        n_accepted=report.n_accepted,
        n_quarantined=report.n_quarantined,
        n_retracted=report.n_retracted,
        n_retracted_unmet=report.n_retracted_unmet,
        changes=report.changes,
        n_warning=report.n_warning,
        n_erased=report.n_erased,
        n_left_out=report.n_left_out,
        reason=report.message or None,
    )


def provenance(manifest: Manifest, delivery: str, *, is_retraction: bool) -> Constants:
    """What every row of a form of a delivery has in common in intake."""
    return {
        "protocol": manifest.protocol,
        "delivery": delivery,
        "quarter": manifest.quarter,
        "number": manifest.number,
        "is_retraction": is_retraction,
    }
