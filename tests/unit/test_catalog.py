"""The catalogue against the contract: names, columns, keys, documentation, codebook."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from registry_pipeline import codebook, reference
from schemas import result_codes
from schemas.catalog import TABLES, codebook_rows, published_tables
from schemas.codes import STATE_LETTER, USE_STATE, VISIT_STATUS, CodeList
from schemas.fields import Table
from schemas.meta.store import Codebook
from schemas.outcomes import OUTCOMES
from schemas.shared import ORIGIN

ROOT = Path(__file__).parents[2]
STRATIFIED = "cohort stratum_by stratum"
RETENTION = f"{STRATIFIED} kind origin"
SUBSTANCE = f"{STRATIFIED} substance"
LIMITS = "ci_low ci_high"
PROGRAMME = (
    "unit_id period_start period_end n numerator denominator value ci_low ci_high hidden_reason"
)

CONTRACT = {
    "meta.delivery": "protocol delivery quarter number sender kind form status file_sha256 "
    "extracted_on n_received n_accepted n_quarantined received_at",
    "meta.protocol": "protocol sha256 content",
    "meta.quarantine": "protocol delivery form row_number column_name rule_id reason",
    "meta.held": "protocol form rule_id reason",
    "meta.codebook": "schema_name table_name column_name label description unit type allowed "
    "missing_meaning source",
    "core.patient": "cohort patient_id sex birth_year age_group unit_id consent legal_basis "
    "enrolled invited_date baseline_date treatment_start_day cutoff_day co_occurring_disorder "
    "baseline_pathway primary_substance",
    "core.unit": "unit_id name orgnr hf rhf municipality",
    "core.interview": "cohort patient_id wave wave_reason interview_date interview_day "
    "days_from_nominal visit_window status hscl10_score audit_c_score dudit_score",
    "core.visit": "cohort patient_id wave due_day is_due interview_date visit_window status",
    "core.substance_use": "cohort patient_id wave substance is_group days recall_days use_share "
    "days_28 state",
    "core.episode": "cohort patient_id",
    "core.event": "cohort patient_id",
    "core.appointment": "cohort patient_id",
    "core.process_event": "cohort patient_id",
    "core.outreach_contact": "cohort",
    "core.involvement_response": "cohort",
    "core.goal_count": "cohort",
    "derived.retention_person": "cohort patient_id kind origin episode_no entry_day exit_day "
    "cutoff_day exit_type is_dropout unit_id sex age_group pathway co_occurring_disorder",
    "derived.retention_curve": f"{RETENTION} day n_at_risk n_event n_censored retained std_error "
    f"{LIMITS}",
    "derived.retention_at": f"{RETENTION} month day n_at_risk n_event_cum retained {LIMITS}",
    "derived.retention_summary": f"{RETENTION} median_day horizon_day",
    "derived.cumulative_incidence": f"{RETENTION} exit_type day n_at_risk incidence std_error "
    f"{LIMITS}",
    "derived.retention_comparison": "cohort kind origin stratum_by test exit_type statistic df "
    "p_value n n_events",
    "derived.retention_sensitivity": f"{RETENTION} gap_days retained {LIMITS}",
    "derived.early_dropout": f"{RETENTION} day share {LIMITS}",
    "derived.enrolment": f"cohort group sex age_group n share {LIMITS}",
    "derived.response_by_wave": f"{STRATIFIED} wave n_enrolled n_expected n_completed response "
    f"{LIMITS} n_missed n_refused n_not_due n_dead n_withdrawn n_moved n_out_of_treatment",
    "derived.substance_trend": f"{SUBSTANCE} wave n_expected n_observed n_missing mean_days "
    "median_days any_use any_use_ci_low any_use_ci_high any_use_missing_is_use abstinent "
    "episodic regular",
    "derived.substance_transition": f"{SUBSTANCE} from_wave to_wave from_state to_state n "
    f"probability {LIMITS}",
    "derived.substance_change": "cohort patient_id substance wave change change_30_percent "
    "reliable",
    "derived.trajectory": "cohort patient_id substance word trajectory_class n_observed n_due",
    "derived.trajectory_profile": f"{SUBSTANCE} trajectory_class n share {LIMITS}",
    "derived.time_to_event": f"{SUBSTANCE} event month n_at_risk share {LIMITS}",
    "derived.sequence_measure": f"{SUBSTANCE} wave entropy {' '.join(USE_STATE.codes)}",
    "derived.outcome_by_pathway": f"{STRATIFIED} pathway_rule pathway outcome wave missing_rule "
    f"n_expected n_missing n n_success estimate {LIMITS}",
    "derived.outcome_comparison": "cohort outcome wave pathway reference measure missing_rule "
    f"adjusted covariates method n n_events effective_n estimate {LIMITS} p_value reason",
    "derived.covariate_balance": "cohort covariate pathway difference_before difference_after",
    "derived.control_chart": "cohort measure unit_id period numerator denominator value centre "
    "lower upper signal",
    "derived.funnel": "unit_id n value lower_95 upper_95 lower_998 upper_998",
    "derived.coping_association": "cohort outcome factor level reference kind model n n_events "
    f"n_missing estimate {LIMITS} p_value p_value_adjusted",
    "quality.indicator": "indicator_id protocol unit_id period_start period_end numerator "
    "denominator n_missing value ci_low ci_high level target_green target_yellow hidden_reason",
    "quality.indicator_definition": "indicator_id title numerator denominator guideline source "
    "direction min_denominator",
    "quality.indicator_person": "indicator_id patient_id unit_id period_start in_denominator "
    "in_numerator",
    "quality.data_quality": "rule_id dimension kahn_category table_name column_name period_start "
    "n_checked n_failed share threshold status note",
    "quality.no_show": PROGRAMME,
    "quality.bridging_funnel": PROGRAMME,
    "quality.detox_stay": PROGRAMME,
    "quality.involvement": PROGRAMME,
    "quality.feedback_change": PROGRAMME,
    "quality.checklist_use": PROGRAMME,
    "quality.transition_gap": PROGRAMME,
    "quality.goal_result": PROGRAMME,
}
"""The contract's tables with the columns it fixes; a table may have more."""

NULL_IN_KEY = {
    "quality.guideline_coverage": {"indicator_id"},
    "meta.delivery": {"file_sha256"},
    "meta.quarantine": {"column_name"},
    "derived.substance_transition": {"from_wave", "to_wave"},
    "quality.data_quality": {"column_name", "period_start"},
}
"""Key columns where a null has a meaning of its own; core follows the forms."""

EVERY_TABLE = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
RESULTS = [
    table
    for table in TABLES.values()
    if table.schema_name == "derived" or any(c.name == "ci_low" for c in table.columns)
]


def names(table: Table) -> set[str]:
    return {column.name for column in table.columns}


@pytest.mark.parametrize(("name", "columns"), CONTRACT.items(), ids=list(CONTRACT))
def test_the_table_has_the_columns_of_the_contract(name: str, columns: str) -> None:
    assert set(columns.split()) - names(TABLES[name]) == set()


@EVERY_TABLE
def test_the_table_says_grain_and_titles(table: Table) -> None:
    assert re.match(r"One row(:| per )", table.description)
    assert table.title
    assert table.title_nb


@EVERY_TABLE
def test_every_column_says_what_it_is(table: Table) -> None:
    for column in table.columns:
        said = (column.title, column.title_nb, column.description, column.missing_meaning)
        assert all(said), column.name
        assert (column.missing_meaning == "never null") == (not column.nullable), column.name


@EVERY_TABLE
def test_the_key_is_of_required_columns(table: Table) -> None:
    assert table.key
    assert len(set(table.key)) == len(table.key)
    nullable = {name for name in table.key if table.column(name).nullable}
    if table.schema_name != "core":
        assert nullable == NULL_IN_KEY.get(table.full_name, set())


@EVERY_TABLE
def test_an_empty_frame_of_the_types_fits_the_model(table: Table) -> None:
    assert table.schema.validate(pl.DataFrame(schema=table.dtypes)).is_empty()


@pytest.mark.parametrize("table", RESULTS, ids=lambda table: table.full_name)
def test_a_result_ends_with_how_it_was_made(table: Table) -> None:
    origin = [name for name in ORIGIN if name not in table.key]
    assert [column.name for column in table.columns][-len(origin) :] == origin
    assert set(ORIGIN) <= names(table)


@pytest.mark.parametrize("table", RESULTS, ids=lambda table: table.full_name)
def test_an_estimate_says_of_how_many_and_how_many_are_missing(table: Table) -> None:
    """Rows of persons apart: they are what is counted."""
    if table.schema_name == "derived" and "patient_id" not in names(table):
        assert names(table) & {"n", "denominator", "n_expected"}
        assert names(table) & {"n_missing", "n_left_out"}


@pytest.mark.parametrize("table", RESULTS, ids=lambda table: table.full_name)
def test_types_follow_names(table: Table) -> None:
    for column in table.columns:
        if column.name == "n" or (column.name.startswith("n_") and column.name[2:] != "due"):
            expected: tuple[type[pl.DataType], ...] = (pl.Int64, pl.Int32)
        elif column.name == "day" or column.name.endswith("_day"):
            expected = (pl.Float64,) if column.name == "median_day" else (pl.Int32,)
        elif column.name.endswith(("ci_low", "ci_high", "share")):
            expected = (pl.Float64,)
        else:
            continue
        assert isinstance(column.dtype, expected), column.name


def test_every_code_list_of_results_is_in_use() -> None:
    ours = {value.name for value in vars(result_codes).values() if isinstance(value, CodeList)}
    used = {c.codes.name for table in TABLES.values() for c in table.columns if c.codes}
    assert ours - used == set()


def test_a_code_list_name_means_one_list() -> None:
    lists: dict[str, CodeList] = {}
    for table in TABLES.values():
        for column in table.columns:
            if column.codes:
                assert lists.setdefault(column.codes.name, column.codes) == column.codes


def test_every_kind_of_missing_visit_is_counted_in_the_response() -> None:
    missing = set(VISIT_STATUS.codes) - {"completed", "partial"}
    assert {f"n_{kind}" for kind in missing} <= names(TABLES["derived.response_by_wave"])


@pytest.mark.parametrize(
    ("word", "fits"), [("".join(STATE_LETTER.values()), True), ("AAx", False), ("", False)]
)
def test_a_trajectory_word_is_of_state_letters(word: str, fits: bool) -> None:
    pattern = TABLES["derived.trajectory"].column("word").pattern
    assert pattern
    assert bool(re.search(pattern, word)) is fits


def test_every_outcome_is_defined() -> None:
    assert len(OUTCOMES) == 15
    for outcome in OUTCOMES.values():
        assert all((outcome.nb, outcome.en, outcome.definition, outcome.source))
    means = {outcome.code for outcome in OUTCOMES.values() if outcome.kind == "mean"}
    assert means == {"coping", "life_satisfaction"}


@pytest.mark.parametrize(
    "name",
    ["outcome_by_pathway", "outcome_comparison", "comparison_weight", "coping_association"],
)
def test_tables_on_pathways_say_association_and_no_label_says_effect(name: str) -> None:
    table = TABLES[f"derived.{name}"]
    assert "association, never an effect" in " ".join(table.description.lower().split())
    labels = [table.title, table.title_nb]
    labels += [part for c in table.columns for part in (c.title, c.title_nb, c.description)]
    for label in labels:
        assert not re.search(r"\b(effects?|effekte?[nrt]?|causes?|impact)\b", label.lower()), label


def test_the_codebook_fits_its_own_model() -> None:
    rows = codebook_rows()
    Codebook.validate(rows)
    keys = ["schema_name", "table_name", "column_name"]
    assert rows.height == sum(len(TABLES[name].columns) for name in published_tables())
    names = rows.select(pl.concat_str("schema_name", "table_name", separator=".")).to_series()
    assert list(names.unique(maintain_order=True)) == published_tables()
    assert {"meta.key", "meta.erasure"}.isdisjoint(names)
    assert rows.select(keys).is_unique().all()


def test_the_codebook_pages_are_current() -> None:
    assert codebook.stale(ROOT / codebook.FOLDER) == []


def test_a_changed_page_and_a_page_without_a_schema_are_named(tmp_path: Path) -> None:
    codebook.write(tmp_path)
    (tmp_path / "core.md").write_text("old", encoding="utf-8")
    (tmp_path / "gone.md").write_text("", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"not current: core\.md, gone\.md; run python -m"):
        codebook.main(["--check", "--folder", str(tmp_path)])
    codebook.main(["--folder", str(tmp_path)])
    codebook.main(["--check", "--folder", str(tmp_path)])
    assert not (tmp_path / "gone.md").exists()


def test_the_reference_pages_are_current() -> None:
    assert reference.stale(ROOT / reference.FOLDER) == []


def test_a_stale_reference_page_is_named_and_written(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"not current: data_quality\.md, indicators\.md"):
        reference.main(["--check", "--folder", str(tmp_path)])
    reference.main(["--folder", str(tmp_path)])
    assert reference.stale(tmp_path) == []


def test_the_methods_say_of_every_derived_table_what_it_estimates_and_how() -> None:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"(?ms)^### (\S+)\n(.*?)(?=^##|\Z)", text))
    assert set(sections) == {name for name in TABLES if name.startswith("derived.")}
    for name, section in sections.items():
        for part in ("Estimand", "Formula", "Missing", "Source"):
            assert re.search(rf"(?m)^- \*\*{part}\.\*\* \S", section), (name, part)


def test_every_term_of_the_glossary_says_what_to_avoid() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.split(r"\n(?=\*\*)", text)[1:]
    assert len(terms) > 60
    for term in terms:
        assert "\n_Avoid_: " in term, term.splitlines()[0]


def test_the_readme_names_every_published_table_with_its_key() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for name in published_tables():
        assert f"| `{name}` |" in readme
        assert f"| {', '.join(TABLES[name].key)} |" in readme
