"""The gate's one entry: a staged file in, batches of judged rows out.

Belongs here: the walk over a file, the accounting of its rows, the refusals that need the whole
file. Does not belong here: each single judgement (the other modules of this package).

A file's structure is proved before a row of it is judged, so that a file that must be refused costs
no more than to read it. Then its keys are learned, and then its rows judged. At one look the last
two are one walk, in the hope that no key stands twice; where one does, the caller starts anew.

Blocks are parsed with declared types as long as that goes well; from the first block on where a
value does not fit its type they are read as text, where the cell can be named. The text of a bad
row is read for the quarantine either way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import polars as pl

from registry_pipeline.gate.ahead import ahead
from registry_pipeline.gate.convert import FileStyle, type_name
from registry_pipeline.gate.errors import RefusedFileError, RepeatedKeysError, counted
from registry_pipeline.gate.header import Plan, plan_columns
from registry_pipeline.gate.judge import FormJudge, Judged
from registry_pipeline.gate.manifest import Manifest
from registry_pipeline.gate.persons import Persons
from registry_pipeline.gate.quarantine import PROBLEMS, QUARANTINED, quarantine
from registry_pipeline.gate.read import Block, Source, open_source
from registry_pipeline.gate.repeated import NO_ROWS, hashed_keys, repeated_rows
from registry_pipeline.gate.rules import canary
from registry_pipeline.gate.selection import source_of
from registry_pipeline.gate.structure import BLOCK_BYTES
from schemas.fields import Table
from schemas.forms import form_table, has_person
from schemas.protocol import Protocol
from schemas.rules import RowContext

__all__ = ["Batch", "canary", "read_form"]

AHEAD: Final = 4
"""Blocks that may wait to be stored: what is stored at once is some blocks long."""


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a form, judged; rows received = accepted + quarantined.

    Attributes:
        accepted: row_number, then every column of the form's table, typed exactly as it says;
            patient_id is a pseudonym; a column the file lacks is null (not asked).
        quarantined: row_number, patient_id (pseudonym, null where there is no valid id), original
            (JSON of the other delivered cells, those with an identity number emptied).
        problems: row_number, column_name (null where the rule speaks of the whole row), rule_id,
            reason; at least one row per quarantined row, never a value.
        warnings: column_name, rule_id, n: accepted rows that break a soft rule.
        n_erased: rows of erased people, which are not received and leave no trace but this number.
        n_left_out: rows that the protocol says are no form's, told by the first form of the file.
    """

    accepted: pl.DataFrame
    quarantined: pl.DataFrame
    problems: pl.DataFrame
    warnings: pl.DataFrame
    n_erased: int
    n_left_out: int = 0


def read_form(
    path: Path,
    form: str,
    protocol: Protocol,
    manifest: Manifest,
    persons: Persons | None,
    *,
    name: str | None = None,
    block_bytes: int = BLOCK_BYTES,
    at_one_look: bool = False,
) -> Iterator[Batch]:
    """Reads the rows of one form from one file.

    row_number 1 is the first row of data of the file, in every output and every message; rows of
    a shared file that are another form's keep their numbers and are not received; those that are no
    form's are received by the first of its forms, and quarantined. Everything
    is read before the last batch is passed on: a caller stores the batches in one transaction and
    commits when the iterator ends without an error. Memory is bounded by the block.

    Args:
        path: the staged file.
        form: a name in `schemas.forms.FORMS`.
        protocol: column maps, codes, recall period, kind of person id.
        manifest: control totals, format, cut-off.
        persons: needed by every form with a person; shared by the files of a delivery.
        name: the delivered file as messages name it; its last part says kind and form. The
            path's own name by default.
        block_bytes: bytes of a CSV file held at a time.
        at_one_look: judges the rows as their keys are learned.

    Yields:
        Batches in the order of the file.

    Raises:
        RepeatedKeysError: at one look, at the end: a key stands more than once. Nothing may be
            stored; a second call, not at one look, quarantines those rows.
        RefusedFileError: the file as a whole cannot be taken in; nothing of it may be stored.
        ValidationOffError: Pandera's validation is switched off in this process.
    """
    canary()
    file = name or path.name
    source = open_source(path, file, manifest, block_bytes)
    try:
        walk = _Walk(
            source, file, form, protocol, manifest, persons=persons, at_one_look=at_one_look
        )
        yield from ahead(walk.batches(), AHEAD)
    except RefusedFileError as error:
        error.n_rows = _countable_rows(source)
        raise


def _countable_rows(source: Source) -> int:
    """Rows of a refused file; 0 where it is refused because they cannot be told apart."""
    try:
        return source.n_rows
    except RefusedFileError:
        return 0


@dataclass(frozen=True)
class _Seen:
    """A block after one look: its judged rows, and how many rows it has, erased and left out."""

    judged: Judged
    height: int
    n_erased: int
    n_left_out: int


class _Walk:
    """One file on its way through the gate."""

    def __init__(
        self,
        source: Source,
        file: str,
        form: str,
        protocol: Protocol,
        manifest: Manifest,
        *,
        persons: Persons | None,
        at_one_look: bool,
    ) -> None:
        if has_person(form) and persons is None:
            raise RefusedFileError(file, "no_key", "the form has persons, and there is no key")
        table = form_table(form, protocol)
        self._source = source
        self._file = file
        self._share = protocol.max_quarantine_share
        self._plan = plan_columns(source.header, form, table, protocol, file)
        _check_types(source, self._plan, table, file)
        self._judge = FormJudge(
            form,
            table,
            self._plan,
            RowContext(protocol, manifest.extracted_on),
            FileStyle(file, source.decimal),
            persons=persons,
        )
        self._is_typed = True
        _check_total(source, manifest.rows.get(source_of(form, protocol)), file)
        is_all_received = not self._plan.selection.mine and (
            persons is None or not persons.any_erased
        )
        self._at_one_look = at_one_look and is_all_received
        if self._at_one_look:
            self._n_received, self._repeated = source.n_rows, NO_ROWS
        else:
            self._n_received, self._repeated = repeated_rows(self._keys, self._judge.key_required)

    def batches(self) -> Iterator[Batch]:
        """The judged blocks, in order.

        Raises:
            RefusedFileError: too many rows are bad, or the file changed while it was read.
        """
        n_read, n_judged, n_quarantined = 0, 0, 0
        problems: Counter[tuple[str | None, str]] = Counter()
        keys: list[pl.Series] = []
        for block in self._source.blocks():
            first_row = n_read + 1
            seen = self._seen(block, first_row)
            judged = seen.judged
            n_read += seen.height
            n_judged += judged.typed.height
            bad = judged.is_bad
            n_quarantined += int(bad.sum()) - judged.n_strays
            problems.update(judged.faults.unique().select("column_name", "rule_id").iter_rows())
            if n_quarantined > self._share * self._n_received:  # before the texts are read for it
                self._refuse_share(n_quarantined, problems)
            batch = self._batch(block, seen, bad, first_row)
            if self._at_one_look:
                keys.append(hashed_keys(self._judge.keyed(judged.typed)))
            yield batch
        if (n_read, n_judged) != (self._source.n_rows, self._n_received):
            what = "other rows than before when it was read again"
            raise RefusedFileError(self._file, "unreadable_file", what)
        # A key with an unreadable part counts as null here: rather a second look than a double.
        if keys and pl.concat(keys).is_duplicated().any():
            raise RepeatedKeysError

    def _seen(self, block: Block, first_row: int) -> _Seen:
        """A block's rows of this form, judged, and the rows of it that are not judged."""
        frame = block.typed(self._judge.integers) if self._is_typed else None
        self._is_typed = frame is not None
        if frame is None:
            frame = block.text()
        rows = self._judge.rows(frame, first_row)
        judged = self._judge.judge(self._judge.received(rows), self._repeated)
        n_erased = rows.height - judged.typed.height
        return _Seen(judged, frame.height, n_erased, self._plan.selection.n_left_out(frame))

    def _batch(self, block: Block, seen: _Seen, bad: pl.Series, first_row: int) -> Batch:
        """What a block's judged rows become."""
        judged = seen.judged
        accepted, quarantined, problems = judged.typed, _NONE_QUARANTINED, _NO_PROBLEMS
        if not judged.faults.is_empty():
            accepted = judged.typed.filter(~bad)
            places = (judged.typed["row_number"].filter(bad) - first_row).to_list()
            cells = block.text_of(places)
            quarantined, problems = quarantine(judged, cells, self._judge, self._plan.people)
        warnings = self._judge.row_judge.warnings(accepted)
        return Batch(accepted, quarantined, problems, warnings, seen.n_erased, seen.n_left_out)

    def _keys(self) -> Iterator[pl.DataFrame]:
        first_row = 1
        for block in ahead(self._source.blocks()):
            frame = block.text(self._judge.key_columns)
            yield self._judge.keys(self._judge.received(self._judge.rows(frame, first_row)))
            first_row += frame.height

    def _refuse_share(
        self, n_quarantined: int, problems: Counter[tuple[str | None, str]]
    ) -> NoReturn:
        (column, rule_id), _ = problems.most_common(1)[0]
        what = (
            f"at least {n_quarantined} of {self._n_received} rows are bad, above the protocol's "
            f"max_quarantine_share of {self._share:g}; the most frequent rule is {rule_id}"
        )
        raise RefusedFileError(self._file, "quarantine_share", what, column=column)


_NONE_QUARANTINED: Final = pl.DataFrame(schema=QUARANTINED)
_NO_PROBLEMS: Final = pl.DataFrame(schema=PROBLEMS)


def _check_types(source: Source, plan: Plan, table: Table, file: str) -> None:
    """A Parquet column has the form's type; one that is recoded is text or whole numbers."""
    if source.dtypes is None:
        return
    for ours, theirs in plan.columns.items():
        is_coded = ours in plan.recode
        stored = source.dtypes[theirs]
        wanted = pl.String() if is_coded else table.dtypes[ours]
        is_whole = stored.is_integer() and (is_coded or wanted.is_integer())
        if stored != wanted and not is_whole:
            what = f"stored as {type_name(stored)}, where the form has {type_name(wanted)}"
            raise RefusedFileError(file, "column_type", what, column=theirs)


def _check_total(source: Source, total: int | None, file: str) -> None:
    if source.n_rows == 0 and total != 0:
        raise RefusedFileError(file, "no_rows", "a header, and no row under it")
    if total is not None and source.n_rows != total:
        what = f"{counted(source.n_rows, 'row')} where the manifest counts {total}"
        raise RefusedFileError(file, "control_total", what)
