"""The page of a table: what the asset catalogue shows beside it, for people who read no SQL.

Belongs here: which tables have a page, and how sections of cohorts become one Markdown text.
Does not belong here: what a section says (see the modules by subject).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

import duckdb

from registry_pipeline.charts import text
from registry_pipeline.charts.bridging import bridging_funnel, goal_result, involvement
from registry_pipeline.charts.cohort import Cohort, NotYetStoredError, Store, cohorts
from registry_pipeline.charts.comparisons import covariate_balance, outcome_comparison
from registry_pipeline.charts.coping import coping_association
from registry_pipeline.charts.events import time_to_event
from registry_pipeline.charts.exits import cumulative_incidence
from registry_pipeline.charts.funnels import funnel
from registry_pipeline.charts.hazards import retention_hazard, retention_life_table
from registry_pipeline.charts.page import Chart, Page
from registry_pipeline.charts.participation import enrolment, response_by_wave
from registry_pipeline.charts.pathways import outcome_by_pathway
from registry_pipeline.charts.programme_charts import programme_chart
from registry_pipeline.charts.programmes import PROGRAMMES, section_of
from registry_pipeline.charts.public import data_quality, guideline_coverage, public_result
from registry_pipeline.charts.quality import indicator
from registry_pipeline.charts.rates import event_rate
from registry_pipeline.charts.retention import retention_at, retention_curve
from registry_pipeline.charts.retention_short import (
    retention_comparison,
    retention_sensitivity,
    retention_summary,
)
from registry_pipeline.charts.several import poly_use, substance_slope
from registry_pipeline.charts.substances import substance_trend
from registry_pipeline.charts.text import Section
from registry_pipeline.charts.trajectories import substance_transition, trajectory_profile
from registry_pipeline.charts.units import control_chart
from schemas.catalog import TABLES
from schemas.fields import Table

PAGES: Final[Mapping[str, Callable[[Cohort], Section]]] = {
    "derived.enrolment": enrolment,
    "derived.response_by_wave": response_by_wave,
    "derived.retention_curve": retention_curve,
    "derived.retention_at": retention_at,
    "derived.retention_summary": retention_summary,
    "derived.retention_comparison": retention_comparison,
    "derived.retention_sensitivity": retention_sensitivity,
    "derived.retention_life_table": retention_life_table,
    "derived.cumulative_incidence": cumulative_incidence,
    "derived.retention_hazard": retention_hazard,
    "derived.event_rate": event_rate,
    "derived.substance_trend": substance_trend,
    "derived.substance_slope": substance_slope,
    "derived.poly_use": poly_use,
    "derived.substance_transition": substance_transition,
    "derived.trajectory_profile": trajectory_profile,
    "derived.time_to_event": time_to_event,
    "derived.outcome_by_pathway": outcome_by_pathway,
    "derived.outcome_comparison": outcome_comparison,
    "derived.covariate_balance": covariate_balance,
    "derived.coping_association": coping_association,
    "derived.control_chart": control_chart,
    "derived.funnel": funnel,
    "quality.indicator": indicator,
    "quality.public_result": public_result,
    "quality.guideline_coverage": guideline_coverage,
    "quality.data_quality": data_quality,
    "quality.bridging_funnel": bridging_funnel,
    "quality.involvement": involvement,
    "quality.goal_result": goal_result,
    "quality.programme_chart": programme_chart,
    **{subject.table: section_of(subject) for subject in PROGRAMMES},
}
"""The tables that have a page, and what makes a cohort's section of it."""

MAX_COHORTS: Final = 6
EMPTY: Final = (
    "There is nothing to show: the table has no rows, because no accepted delivery holds what it "
    "is made from. / Tabellen er tom: ingen mottatt leveranse har det den lages av."
)
NOTHING_DRAWN: Final = (
    "No chart: none of its numbers may be shown. / Ingen figur: ingen av tallene kan vises."
)


class Pages:
    """The pages of tables that are about to be stored, each made as soon as it can be.

    A page has a section for each cohort that has rows in the table. It waits for whatever table it
    reads; once made it needs the store no more.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, tables: Collection[str]) -> None:
        """Begins with none of them stored; derived, quality and meta.protocol are read."""
        self._store = Store(connection, tables)
        self._cohorts = cohorts(self._store)
        self._waiting: list[str] = []

    def arrived(self, table: str, *, is_new: bool = True) -> dict[str, Page]:
        """Table to page, of the pages that can be made now that a table is stored.

        A table that is not new, for its rows broke the model, has no page.
        """
        self._store.arrived(table, is_new=is_new)
        if is_new and table in PAGES:
            self._waiting.append(table)
        made = {}
        for due in tuple(self._waiting):
            with suppress(NotYetStoredError):
                made[due] = _page(self._cohorts, due)
                self._waiting.remove(due)
        return made


def _page(known: Sequence[Cohort], table: str) -> Page:
    model, subject = TABLES[table], PAGES[table]
    present = [(cohort, as_of) for cohort in known if (as_of := cohort.as_of(table))]
    parts: list[str | Chart] = [f"## {model.title} / {model.title_nb}"]
    for cohort, as_of in present[:MAX_COHORTS]:
        parts += _section(cohort, subject(cohort), model, as_of)
    if more := [cohort.protocol.title_en for cohort, _ in present[MAX_COHORTS:]]:
        parts.append(f"Not shown, to keep the page readable: {'; '.join(more)}.")
    return Page(parts if present else [*parts, EMPTY])


def _section(cohort: Cohort, section: Section, table: Table, as_of: str) -> list[str | Chart]:
    """One cohort's section: mark, words, chart, table and notes; `as_of` which delivery."""
    title = f"{table.title}: {cohort.protocol.title_en}"
    mark = text.LOW_COVERAGE if cohort.has_low_coverage else ""
    parts: list[str | Chart] = [f"### {cohort.protocol.title_en}"]
    if mark:
        limit = text.percent(cohort.rule.low_coverage)
        parts.append(f"**{mark}**: fewer than {limit} of the eligible take part.")
    protocol = cohort.protocol
    parts += [line for line in (protocol.remark_en, protocol.remark_nb) if line]
    parts += [section.words, f"*{section.norwegian}*"]
    if section.chart and section.shown.height:
        below = [line for line in (table.title_nb, mark, section.caution) if line]
        parts.append(Chart(section.chart(section.shown), section.shown, title, below))
    elif section.chart:
        parts.append(NOTHING_DRAWN)
    told = (*section.notes, text.legend(cohort.rule), f"As of delivery {as_of}.")
    notes = [f"- {note}" for note in told]
    return [*parts, *([section.table] if section.table else []), "\n".join(notes)]
