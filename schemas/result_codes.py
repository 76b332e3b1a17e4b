"""Code lists that only results use: tests, models, signals, levels and what a row counts.

Belongs here: closed sets of values of derived, quality and meta tables.
Does not belong here: codes that a form or a core table holds (see `schemas.codes`).
"""

from __future__ import annotations

from typing import Final

from schemas.codes import (
    AGE_GROUP,
    CONSENT,
    EVENT_TYPE,
    EXIT_TYPE,
    MISSING_RULE,
    SEX,
    USE_STATE,
    CodeList,
)

_ALL: Final = ("alle", "all")


def _with(name: str, base: CodeList, **more: tuple[str, str]) -> CodeList:
    """A code list made of another one and a few codes more."""
    return CodeList(name, {**base.labels, **more})


# Deliveries and the codebook

DELIVERY_KIND: Final = CodeList(
    "delivery_kind",
    {"full": ("full leveranse", "full delivery"), "correction": ("retting", "correction")},
)
COLUMN_TYPE: Final = CodeList(
    "column_type",
    {
        "text": ("tekst", "text"),
        "code": ("kode", "code"),
        "integer": ("heltall", "integer"),
        "number": ("tall", "number"),
        "flag": ("ja/nei", "true or false"),
        "date": ("dato", "date"),
        "timestamp": ("tidspunkt", "timestamp"),
    },
)

# Participation and retention

SEX_OR_ALL: Final = _with("sex_or_all", SEX, all=_ALL)
AGE_GROUP_OR_ALL: Final = _with("age_group_or_all", AGE_GROUP, all=_ALL)
ENROLMENT_GROUP: Final = _with("enrolment_group", CONSENT, eligible=("aktuelle", "eligible"))
RETENTION_EXIT: Final = _with(
    "retention_exit",
    EXIT_TYPE,
    withdrawn=("trukket seg", "withdrawn"),
    lost_to_follow_up=("ingen flere intervjuer", "no further interviews"),
)
"""Ends of an observed period: exit types of stays, and the two that only a study knows."""

SETTING: Final = CodeList(
    "setting",
    {
        "all": _ALL,
        "in_treatment": ("i behandling", "in treatment"),
        "out_of_treatment": ("utenfor behandling", "out of treatment"),
    },
)
RATED_EVENT: Final = CodeList(
    "rated_event",
    {
        "death": ("død, alle årsaker", "death of any cause"),
        "death_overdose": EVENT_TYPE.labels["death_overdose"],
        "overdose": EVENT_TYPE.labels["overdose"],
        "hospital_admission": EVENT_TYPE.labels["hospital_admission"],
    },
)
COMPARED_EXIT: Final = _with("compared_exit", RETENTION_EXIT, any=("enhver avslutning", "any exit"))
HAZARD_EXIT: Final = _with(
    "hazard_exit", COMPARED_EXIT, dropout=("drop-out av enhver type", "drop-out of any type")
)
HAZARD: Final = CodeList(
    "hazard",
    {
        "cause_specific": ("blant dem som er igjen", "among those still there"),
        "subdistribution": ("i andelen som slutter slik", "in the share that leaves so"),
    },
)
SURVIVAL_TEST: Final = CodeList(
    "survival_test",
    {
        "log_rank": ("log-rank", "log-rank"),
        "stratified_log_rank": ("stratifisert log-rank", "stratified log-rank"),
        "gray": ("Gray", "Gray"),
    },
)

# Trajectories

MOVE_STATE: Final = CodeList(
    "move_state",
    {
        "abstinent": USE_STATE.labels["abstinent"],
        "episodic": USE_STATE.labels["episodic"],
        "regular": USE_STATE.labels["regular"],
        "missing": ("mangler", "missing"),
    },
)
"""States people move between; missing is missed, refused, not asked or out of treatment."""

SLOPE_MODEL: Final = CodeList(
    "slope_model",
    {
        "gee_days": ("dager, estimeringslikninger", "days, estimating equations"),
        "gee_any_use": ("noe bruk, estimeringslikninger", "any use, estimating equations"),
        "mixed_days": ("dager, blandet modell", "days, mixed model"),
    },
)
POLY_MEASURE: Final = CodeList(
    "poly_measure",
    {
        "any_illicit": ("noe illegalt rusmiddel", "any illicit substance"),
        "two_or_more": ("to eller flere rusmidler", "two or more substances"),
        "three_or_more": ("tre eller flere rusmidler", "three or more substances"),
        "number": ("antall rusmidler, gjennomsnitt", "number of substances, mean"),
        "injection": ("injisering", "injection"),
        "primary_substance": ("hovedrusmiddelet", "the primary substance"),
    },
)
WAVE_EVENT: Final = CodeList(
    "wave_event",
    {
        "relapse": ("tilbakefall", "relapse"),
        "sustained_abstinence": ("vedvarende rusfrihet", "sustained abstinence"),
    },
)

# Outcomes and comparisons

DIRECTION: Final = CodeList(
    "direction",
    {
        "higher": ("høyere er bedre", "higher is better"),
        "lower": ("lavere er bedre", "lower is better"),
    },
)
MEASURE: Final = CodeList(
    "measure",
    {
        "risk_difference": ("risikodifferanse", "risk difference"),
        "risk_ratio": ("risikoratio", "risk ratio"),
        "odds_ratio": ("oddsratio", "odds ratio"),
        "mean_difference": ("differanse mellom gjennomsnitt", "mean difference"),
        "hazard_ratio": ("hasardratio", "hazard ratio"),
    },
)
COMPARISON_RULE: Final = _with(
    "comparison_rule", MISSING_RULE, imputed=("imputert flere ganger", "multiply imputed")
)
"""What a missing answer counts as where pathways are compared; published counts have no imputed
number."""

COPING_OUTCOME: Final = CodeList(
    "coping_outcome",
    {
        "coping_score": ("mestring", "coping"),
        "retained": ("fortsatt i behandling", "retained"),
        "any_use": ("bruk av rusmidler", "any use"),
    },
)
FACTOR_KIND: Final = CodeList(
    "factor_kind",
    {
        "patient": ("kjennetegn ved pasienten", "patient characteristic"),
        "structure": ("behandlingsstruktur", "treatment structure"),
    },
)
MODEL: Final = CodeList(
    "model",
    {"univariable": ("én faktor", "univariable"), "adjusted": ("justert", "adjusted")},
)

# Units over time and side by side

CHART: Final = CodeList(
    "chart",
    {
        "p": ("p-diagram", "p chart"),
        "xmr": ("XmR-diagram", "XmR chart"),
        "run": ("seriediagram", "run chart"),
    },
)
POINT_SIGNAL: Final = CodeList(
    "point_signal",
    {
        "above": ("over øvre grense", "above the limits"),
        "below": ("under nedre grense", "below the limits"),
    },
)
FUNNEL_SIGNAL: Final = CodeList(
    "funnel_signal",
    {
        "above_95": ("over 95 %-grensen", "above the 95 % limit"),
        "below_95": ("under 95 %-grensen", "below the 95 % limit"),
        "above_998": ("over 99,8 %-grensen", "above the 99.8 % limit"),
        "below_998": ("under 99,8 %-grensen", "below the 99.8 % limit"),
    },
)

# Indicators and data quality

INDICATOR_LEVEL: Final = CodeList(
    "indicator_level",
    {"H": ("høy", "high"), "M": ("moderat", "moderate"), "L": ("lav", "low")},
)
INDICATOR_TYPE: Final = CodeList(
    "indicator_type",
    {
        "fraction": ("andel", "fraction"),
        "mean": ("gjennomsnitt", "mean"),
        "median": ("median", "median"),
    },
)
PERIOD_TYPE: Final = CodeList(
    "period_type",
    {
        "quarter": ("kvartal", "quarter"),
        "year": ("år", "year"),
        "whole": ("hele perioden", "whole period"),
    },
)
HIDDEN_REASON: Final = CodeList(
    "hidden_reason",
    {
        "low_coverage": ("lav dekningsgrad", "low coverage"),
        "small_denominator": ("for få observasjoner", "too few observations"),
        "small_count": ("små tall", "small count"),
        "secondary": ("skjult for å verne en annen celle", "hidden to protect another cell"),
        "provisional": ("foreløpig", "provisional"),
        "protected": (
            "vernet: få personer, eller tallet ville røpet et slikt",
            "protected: few people, or it would give such a number away",
        ),
    },
)
GUIDELINE_STATUS: Final = CodeList(
    "guideline_status",
    {
        "measured": ("målt", "measured"),
        "not_applicable": ("ikke levert av kohorten", "not delivered by the cohort"),
        "not_measured": ("kan ikke måles i registeret", "not measurable in this registry"),
        "by_number": ("kjent bare ved nummer", "known by its number alone"),
    },
)
HIDDEN_CELL: Final = CodeList(
    "hidden_cell",
    {
        "numerator": ("teller", "numerator"),
        "denominator": ("nevner", "denominator"),
        "complement": ("resten av nevneren", "the denominator less the numerator"),
        "missing": ("manglende", "missing"),
    },
)
DIMENSION: Final = CodeList(
    "dimension",
    {
        "coverage": ("dekningsgrad", "coverage"),
        "completeness": ("kompletthet", "completeness"),
        "correctness": ("korrekthet", "correctness"),
        "reliability": ("reliabilitet", "reliability"),
        "timeliness": ("aktualitet", "timeliness"),
        "comparability": ("sammenlignbarhet", "comparability"),
        "relevance": ("relevans", "relevance"),
    },
)
KAHN_CATEGORY: Final = CodeList(
    "kahn_category",
    {
        "conformance": ("samsvar", "conformance"),
        "completeness": ("kompletthet", "completeness"),
        "plausibility": ("plausibilitet", "plausibility"),
    },
)
SEVERITY: Final = CodeList(
    "severity", {"warn": ("advarsel", "warning"), "error": ("feil", "error")}
)
