"""Which rows of a file are a form's, where several forms read one file.

Belongs here: the protocol's `source`, `where` and `left_out`, over the rows of a block.
Does not belong here: the columns of the file (`header`), what becomes of the rows (`judge`).

A row that no form of the file takes is a stray. The first of those forms answers for the file: it
receives the strays, which are quarantined, so that every row of the file is in some count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Final

import polars as pl

from registry_pipeline.gate.errors import counted
from schemas.forms import FORMS
from schemas.protocol import Protocol

STRAY: Final = " stray"
"""Whether a row is no form's, beside delivered columns; their names never begin with a space."""

Values = dict[str, tuple[str, ...]]


def source_of(form: str, protocol: Protocol) -> str:
    """The file, by its name without ending, that a form's rows are read from."""
    return protocol.form(form).source or form


def forms_of(source: str, protocol: Protocol) -> list[str]:
    """The forms that are read from a file, in their order."""
    return [form for form in FORMS if source_of(form, protocol) == source]


@dataclass(frozen=True)
class Selection:
    """Column of the file to the values whose rows are meant; every row where there is no column.

    Attributes:
        mine: the form's rows.
        of_file: those of each form of the file; empty unless the form answers for the file.
        left_out: those that the protocol says are no form's; empty as `of_file` is.
    """

    mine: Values
    of_file: tuple[Values, ...] = ()
    left_out: tuple[Values, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The columns it looks at."""
        looked_at = (self.mine, *self.of_file, *self.left_out)
        return list(dict.fromkeys(name for values in looked_at for name in values))

    def rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that the form receives; where it answers for the file `STRAY` marks strays."""
        if not self.mine:
            return frame
        if not self.of_file:
            return frame.filter(_any_of((self.mine,)))
        marked = frame.with_columns(self._is_stray.alias(STRAY))
        return marked.filter(_any_of((self.mine,)) | (pl.col(STRAY) & ~_any_of(self.left_out)))

    def n_left_out(self, frame: pl.DataFrame) -> int:
        """How many rows the protocol leaves out; 0 where another form answers for the file."""
        if not self.left_out:
            return 0
        return int(frame.select((self._is_stray & _any_of(self.left_out)).sum()).item())

    @property
    def _is_stray(self) -> pl.Expr:
        return ~_any_of(self.of_file)


def selection(form: str, protocol: Protocol) -> Selection:
    """Which rows of its file are a form's."""
    forms = forms_of(source_of(form, protocol), protocol)
    maps = [protocol.form(name) for name in forms]
    mine = protocol.form(form).where
    if form != forms[0]:
        return Selection(mine)
    return Selection(
        mine, tuple(one.where for one in maps), tuple(one.left_out for one in maps if one.left_out)
    )


def left_out_of(place: str, n: int) -> str:
    """What is said of the rows of a file or delivery that the protocol leaves out."""
    return f"{place}: {counted(n, 'row')} left out, since the protocol says they are no form's"


def _any_of(chosen: tuple[Values, ...]) -> pl.Expr:
    """Whether a row is among those that one of them means; an empty cell is an empty text."""
    return reduce(or_, map(_all_of, chosen), pl.lit(value=False))


def _all_of(values: Values) -> pl.Expr:
    cells = (
        pl.col(name).cast(pl.String).fill_null("").is_in(list(meant))
        for name, meant in values.items()
    )
    return reduce(and_, cells, pl.lit(value=True))
