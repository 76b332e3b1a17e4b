"""Which tables a table is made from, for the asset graph.

Belongs here: upstreams by table. Does not belong here: anything computed.
"""

from collections.abc import Iterable
from graphlib import TopologicalSorter
from typing import Final

from registry_pipeline.disclosure.printed import CHART, GOALS, PRINTED, RESULTS

_CORE: Final[dict[str, tuple[str, ...]]] = {
    "core.patient": (
        "meta.protocol",
        "intake.patients",
        "intake.interviews",
        "intake.episodes",
        "intake.events",
        "intake.withdrawals",
    ),
    "core.unit": ("meta.protocol",),
    "core.interview": ("intake.interviews", "core.patient"),
    "core.visit": ("core.patient", "core.interview", "core.episode"),
    "core.substance_use": ("intake.interviews", "core.visit"),
    "core.episode": ("intake.episodes", "core.patient"),
    "core.event": ("intake.events", "core.patient"),
    "core.toxicology": ("intake.toxicology", "core.patient"),
    "core.appointment": ("intake.appointments", "core.patient"),
    "core.process_event": ("intake.process_events", "core.patient"),
    "core.outreach_contact": ("intake.outreach",),
    "core.involvement_response": ("intake.involvement",),
    "core.goal_count": ("intake.goal_counts",),
    "meta.held": (
        "intake.patients",
        "intake.interviews",
        "intake.episodes",
        "intake.events",
        "intake.toxicology",
        "intake.appointments",
        "intake.process_events",
    ),
}
_PERSON: Final = ("core.patient", "derived.retention_person")
_USE: Final = ("core.patient", "core.substance_use")
_OUTCOMES: Final = ("core.patient", "core.visit", "core.interview", "core.substance_use")
_BASELINE: Final = ("core.patient", "core.interview", "core.substance_use")
_DERIVED: Final[dict[str, tuple[str, ...]]] = {
    "derived.enrolment": ("core.patient",),
    "derived.response_by_wave": ("core.patient", "core.visit"),
    "derived.retention_person": ("core.patient", "core.episode", "core.visit", "core.event"),
    "derived.retention_curve": _PERSON,
    "derived.retention_at": _PERSON,
    "derived.retention_summary": _PERSON,
    "derived.retention_life_table": _PERSON,
    "derived.cumulative_incidence": _PERSON,
    "derived.retention_comparison": _PERSON,
    "derived.retention_hazard": _PERSON,
    "derived.retention_sensitivity": ("core.patient", "core.episode"),
    "derived.early_dropout": _PERSON,
    "derived.event_rate": (*_PERSON, "core.event"),
    "derived.substance_trend": _USE,
    "derived.substance_slope": _USE,
    "derived.poly_use": (*_USE, "core.visit", "core.interview"),
    "derived.substance_transition": _USE,
    "derived.substance_change": _USE,
    "derived.trajectory": (*_USE, "core.visit"),
    "derived.trajectory_profile": ("core.patient", "derived.trajectory"),
    "derived.trajectory_latent": ("derived.trajectory",),
    "derived.time_to_event": _USE,
    "derived.sequence_measure": _USE,
    "derived.outcome_by_pathway": (*_OUTCOMES, "core.episode", "derived.retention_person"),
    "derived.outcome_comparison": (*_OUTCOMES, "derived.retention_person"),
    "derived.covariate_balance": _BASELINE,
    "derived.comparison_weight": _BASELINE,
    "derived.coping_association": (
        *_OUTCOMES,
        "core.process_event",
        "derived.retention_person",
    ),
    "derived.control_chart": (*_PERSON, "core.visit", "core.interview"),
    "derived.funnel": (*_PERSON, "core.visit"),
}
_COVERAGE: Final = ("derived.enrolment", "derived.response_by_wave")
"""What says whether a page carries the mark of low coverage."""
_PROGRAMME: Final = ("core.patient", "meta.delivery", *_COVERAGE)
_MARKED: Final = (
    *_PROGRAMME,
    "core.interview",
    "core.visit",
    "core.substance_use",
    "core.episode",
    "core.process_event",
    "core.appointment",
)
_SHOWN: Final = (*PRINTED, GOALS, CHART, RESULTS)
_QUALITY: Final[dict[str, tuple[str, ...]]] = {
    "quality.indicator": (*_MARKED, "quality.indicator_definition"),
    "quality.indicator_definition": (),
    "quality.indicator_person": _MARKED,
    "quality.public_result": ("quality.indicator", *_COVERAGE),
    "quality.disclosure_log": ("quality.indicator",),
    "quality.guideline_coverage": ("quality.indicator", *_COVERAGE),
    "quality.public_programme": _SHOWN,
    "quality.programme_log": _SHOWN,
    "quality.data_quality": ("meta.delivery", "intake.interviews", *_CORE, *_COVERAGE),
    "quality.no_show": (*_PROGRAMME, "core.appointment", "core.episode"),
    "quality.bridging_funnel": (*_PROGRAMME, "core.outreach_contact"),
    "quality.detox_stay": (*_PROGRAMME, "core.episode", "core.event"),
    "quality.involvement": (*_PROGRAMME, "core.involvement_response"),
    "quality.feedback_change": (*_PROGRAMME, "core.interview"),
    "quality.checklist_use": (*_PROGRAMME, "core.process_event", "core.episode"),
    "quality.transition_gap": (*_PROGRAMME, "core.episode"),
    "quality.goal_result": (*_PROGRAMME, "core.goal_count"),
    "quality.dropout": (*_PROGRAMME, "core.episode"),
    "quality.co_occurring": (
        *_PROGRAMME,
        "core.episode",
        "core.process_event",
        "core.interview",
        "core.substance_use",
    ),
    "quality.programme_chart": ("quality.no_show", "quality.dropout", *_COVERAGE),
    "core.worklist": (
        "core.patient",
        "core.episode",
        "core.interview",
        "core.appointment",
        "core.process_event",
    ),
}
_LEDGER: Final = "meta.delivery"
_ERASURE: Final = "meta.erasure"
UPSTREAM: Final = {
    _ERASURE: (_LEDGER, "intake.withdrawals"),
    **{table: (_LEDGER, _ERASURE, *parents) for table, parents in _CORE.items()},
    **_DERIVED,
    **_QUALITY,
}
"""Table to the tables it is made from. Every core table stands on the ledger, which says the order
of deliveries: its blocking check holds all of them; and on the erasures, which come before."""


def upstream(table: str) -> tuple[str, ...]:
    """The tables a table is made from."""
    return UPSTREAM[table]


def in_order(tables: Iterable[str]) -> list[str]:
    """The tables, each after those it is made from: the order in which an op yields them."""
    wanted = list(tables)
    graph = {name: [parent for parent in upstream(name) if parent in wanted] for name in wanted}
    return list(TopologicalSorter(graph).static_order())
