"""The three tables as an analyst would script them in pandas, stored through DuckDB.

Belongs here: one plain script for this one protocol, vectorised, with the same results.
Does not belong here: anything the registry uses.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd

from benchmarks.derivation import copy_of
from benchmarks.landing import PROTOCOL
from benchmarks.measure import timed

NOMINAL: Final = (0, 91, 183, 274, 365, 457, 548, 639, 731)
INDEX: Final = ("gp_alone", "gp_and_municipality", "gp_with_specialist_contact")
DEATHS: Final = ("death_overdose", "death_other")
SUBSTANCES: Final = (
    "alcohol", "cannabis", "benzodiazepine", "amphetamine", "cocaine", "heroin", "other_opioid",
    "doping", "other",
)  # fmt: skip
GROUPS: Final = {"any_opioid": SUBSTANCES[5:7], "any_illicit": SUBSTANCES[1:]}
LATEST: Final = ["quarter", "number", "delivery", "row_number"]
STRATA: Final = ("sex", "age_group", "pathway", "co_occurring_disorder")
STATES: Final = ("abstinent", "episodic", "regular")


def pandas(source: Path, out: Path) -> dict[str, float]:
    """Reads the columns it needs, derives in memory, stores the three tables."""
    database = out / "pandas.duckdb"
    copy_of(source, database)
    with timed() as numbers, duckdb.connect(database) as connection:
        forms = _rows(connection)
        person, covers, interviews = _people(forms)
        visits = _visits(person, covers, interviews)
        use = _substance_use(visits)
        trend = _trend(use, _strata(person, covers))
        visits = visits[
            ["patient_id", "wave", "due_day", "is_due", "interview_date", "days_from_nominal",
             "visit_window", "status", "pathway"]
        ]  # fmt: skip
        tables = {"core.visit": visits, "core.substance_use": use}
        for name, frame in {**tables, "derived.substance_trend": trend}.items():
            connection.register("rows", frame)
            connection.execute(
                f"CREATE OR REPLACE TABLE {name} AS SELECT '{PROTOCOL}' AS cohort, * FROM rows"
            )
            connection.unregister("rows")
    return numbers


def _rows(connection: duckdb.DuckDBPyConnection) -> dict[str, pd.DataFrame]:
    """The current rows of each form, with the cut-off of the delivery's sender."""
    answers = ", ".join(f"{code}_days" for code in SUBSTANCES)
    columns = {
        "patients": (
            "sex, birth_year, assigned_pathway, consent, consent_date, legal_basis, "
            "co_occurring_disorder",
            ["patient_id"],
        ),
        "episodes": (
            "pathway, start_date, planned_start_date, end_date, exit_type, cover_days, "
            "coalesce(start_date, planned_start_date) AS begun",
            ["patient_id", "pathway", "begun"],
        ),
        "events": ("event_date, event_type", ["patient_id", "event_date", "event_type"]),
        "withdrawals": ("withdrawn_date", ["patient_id"]),
        "interviews": (
            f"interview_date, status, recall_days, {answers}",
            ["patient_id", "interview_date"],
        ),
    }
    ledger = connection.sql(
        f"SELECT * FROM meta.delivery WHERE protocol = '{PROTOCOL}' AND status = 'accepted'"
    ).df()
    ledger = ledger.assign(is_full=ledger["kind"] == "full").sort_values(
        ["is_full", "quarter", "number"]
    )
    ledger["cutoff"] = ledger.groupby(["sender", "form"])["extracted_on"].transform("last")
    ledger["sender_cutoff"] = ledger.groupby("sender")["extracted_on"].transform("last")
    forms = {"ledger": ledger}
    for form, (wanted, key) in columns.items():
        rows = connection.sql(
            f"SELECT patient_id, {wanted}, {', '.join(LATEST)}, is_retraction "
            f"FROM intake.{form} WHERE protocol = '{PROTOCOL}'"
        ).df()
        rows = rows.sort_values(LATEST).drop_duplicates(key, keep="last")
        told = ledger.loc[
            ledger["form"] == form,
            ["delivery", "sender", "cutoff", "sender_cutoff", "extracted_on"],
        ]
        forms[form] = rows[~rows["is_retraction"]].merge(told, on="delivery", how="left")
    return forms


def _people(forms: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Enrolled people with their days from the origin, the days stays cover, interviews."""
    patients = forms["patients"]
    consented = patients["consent"] == "consented"
    basis = patients["legal_basis"] == "opt_out"
    person = patients[consented | (basis & ~patients["consent"].isin(["opt_out", "declined"]))]
    known = person[["patient_id", "consent_date"]]
    stays = forms["episodes"].merge(known, on="patient_id")
    stays = stays[stays["begun"] <= stays["cutoff"]]
    events = forms["events"].merge(known, on="patient_id")
    events = events[events["event_date"] <= events["cutoff"]]
    ended = stays[stays["exit_type"].isin(DEATHS) & ~(stays["end_date"] > stays["cutoff"])]
    death = _first(events[events["event_type"].isin(DEATHS)], "event_date").combine_first(
        _first(ended, "end_date")
    )
    interviews = _alive(forms["interviews"].merge(known, on="patient_id"), "interview_date", death)
    interviews = interviews[
        ~(interviews["interview_date"] < interviews["consent_date"])
        & (interviews["interview_date"] <= interviews["cutoff"])
    ]
    was_held = interviews["status"].isin(["completed", "partial"])
    events = _alive(events, "event_date", death)
    ids = person["patient_id"]
    origin = _of(ids, _first(interviews[was_held], "interview_date")).fillna(person["consent_date"])
    ledger = forms["ledger"]
    asked = ledger[ledger["form"] == "interviews"].groupby("sender")["sender_cutoff"].last()
    days = {
        "cutoff_day": person["sender"].map(asked).fillna(person["sender_cutoff"]),
        "death_day": _of(ids, death),
        "moved_day": _of(ids, _first(events[events["event_type"] == "moved"], "event_date")),
        "withdrawn_day": _of(
            ids, _first(_alive(forms["withdrawals"], "withdrawn_date", death), "withdrawn_date")
        ),
    }
    counted = {name: (day - origin).dt.days for name, day in days.items()}
    person = person.assign(origin=origin, **counted)
    covers = _alive(stays, "start_date", death)
    return person, _covers(covers[covers["start_date"].notna()]), interviews


def _first(rows: pd.DataFrame, date: str) -> pd.Series:
    return rows.groupby("patient_id")[date].min()


def _alive(rows: pd.DataFrame, date: str, death: pd.Series) -> pd.DataFrame:
    return rows[~(rows[date] > _of(rows["patient_id"], death))]


def _of(ids: pd.Series, dates: pd.Series) -> pd.Series:
    """The date of each person; `map` would stumble over a series of none."""
    return pd.Series(dates.reindex(ids).to_numpy(), index=ids.index)


def _covers(stays: pd.DataFrame) -> pd.DataFrame:
    """The days stays cover; every delivery here is full, so a stay was seen when delivered."""
    left = stays["end_date"] + pd.to_timedelta(stays["cover_days"].fillna(0), unit="D")
    dropped = (stays["extracted_on"] + pd.Timedelta(days=1)).where(
        stays["extracted_on"] < stays["cutoff"]
    )
    return pd.DataFrame(
        {
            "patient_id": stays["patient_id"],
            "pathway": stays["pathway"],
            "is_index": stays["pathway"].isin(INDEX),
            "is_treatment": stays["pathway"] != "out_of_oat",
            "from_date": stays["start_date"],
            "until_date": left.fillna(dropped),
        }
    ).sort_values(["is_index", "from_date", "pathway"])


def _covering(points: pd.DataFrame, covers: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The pathway of the stay that covers each point, and whether any covering stay treats."""
    there = covers.merge(points, on="patient_id")
    begun = there["from_date"] <= there["on_date"]
    there = there[begun & ~(there["until_date"] <= there["on_date"])]
    return there.groupby(key, sort=False).agg(
        pathway=("pathway", "last"), in_treatment=("is_treatment", "any")
    )


def _visits(person: pd.DataFrame, covers: pd.DataFrame, interviews: pd.DataFrame) -> pd.DataFrame:
    """core.visit, with the answers of the interview that holds the visit."""
    schedule = pd.DataFrame({"wave": range(9), "due_day": NOMINAL}).astype("int32")
    days = ["cutoff_day", "death_day", "moved_day", "withdrawn_day"]
    grid = person[["patient_id", "origin", *days]].merge(schedule, how="cross")
    holders = _holders(interviews.merge(person[["patient_id", "origin"]], on="patient_id"))
    grid = grid.merge(holders, on=["patient_id", "wave"], how="left")
    on_day = pd.to_timedelta(grid["interview_day"].fillna(grid["due_day"]), unit="D")
    grid["on_date"] = grid["origin"] + on_day
    key = ["patient_id", "wave"]
    grid = grid.merge(_covering(grid[[*key, "on_date"]], covers, key), on=key, how="left")
    closes = grid["due_day"] + 30
    has_row = grid["status"].notna()
    closed = closes <= grid["cutoff_day"]
    away = grid["patient_id"].isin(covers["patient_id"]) & ~grid["in_treatment"].eq(True)
    status = grid["status"].fillna("missed")
    for code, holds in (
        ("out_of_treatment", away),
        ("not_due", ~closed),
        ("moved", grid["moved_day"] <= closes),
        ("withdrawn", grid["withdrawn_day"] <= closes),
        ("dead", grid["death_day"] <= closes),
    ):
        status = status.mask(holds & ~has_row, code)
    return grid.assign(status=status, is_due=has_row | closed)


def _holders(interviews: pd.DataFrame) -> pd.DataFrame:
    """The interview that holds each wave of a person."""
    day = (interviews["interview_date"] - interviews["origin"]).dt.days
    ends = [sum(pair) for pair in pairwise(NOMINAL)]
    ends = [*ends, 3 * NOMINAL[-1] - NOMINAL[-2]]
    wave = pd.Series(pd.Series(ends).searchsorted(day * 2, side="right"), index=day.index)
    placed = interviews.assign(interview_day=day, wave=wave.astype("int32"))[wave < len(NOMINAL)]
    distance = placed["interview_day"] - placed["wave"].map(dict(enumerate(NOMINAL)))
    rank = placed["status"].map({"completed": 0, "partial": 1, "refused": 2, "missed": 3})
    placed = placed.assign(rank=rank, away=distance.abs(), days_from_nominal=distance)
    placed = placed.sort_values(["rank", "away", "interview_date"])
    placed = placed.drop_duplicates(["patient_id", "wave"])
    labels = ["on_time", "in_window", "off_window"]
    window = pd.cut(placed["away"], [-1, 14, 30, 10**6], labels=labels)
    answers = [f"{code}_days" for code in SUBSTANCES]
    return placed.assign(visit_window=window.astype("str"))[
        ["patient_id", "wave", "interview_date", "interview_day", "days_from_nominal",
         "visit_window", "status", "recall_days", *answers]
    ]  # fmt: skip


def _substance_use(visits: pd.DataFrame) -> pd.DataFrame:
    """core.substance_use: one row per visit and substance or group."""
    was_held = visits["status"].isin(["completed", "partial"])
    wide = visits[["patient_id", "wave", "status"]].assign(
        recall_days=visits["recall_days"].fillna(28).where(was_held)
    )
    for code in SUBSTANCES:
        wide[code] = visits[f"{code}_days"].where(was_held)
    for code, members in GROUPS.items():
        answers = wide[list(members)]
        most = answers.max(axis=1)
        wide[code] = most.where((most > 0) | answers.notna().all(axis=1))
    key = ["patient_id", "wave", "status", "recall_days"]
    use = wide.melt(key, [*SUBSTANCES, *GROUPS], var_name="substance", value_name="days")
    days, recall = use["days"], use["recall_days"]
    state = pd.Series("regular", index=use.index)
    for code, holds in (
        ("episodic", days * 4 <= recall),
        ("abstinent", days == 0),
        ("not_asked", days.isna()),
    ):
        state = state.mask(holds, code)
    return pd.DataFrame(
        {
            "patient_id": use["patient_id"],
            "wave": use["wave"],
            "substance": use["substance"],
            "is_group": use["substance"].isin(list(GROUPS)),
            "days": days.astype("Int32"),
            "recall_days": recall.astype("Int32"),
            "use_share": days / recall,
            "days_28": days * 28 / recall,
            "state": state.where(recall.notna(), use["status"]),
        }
    )


def _strata(person: pd.DataFrame, covers: pd.DataFrame) -> pd.DataFrame:
    points = person[["patient_id", "origin"]].rename(columns={"origin": "on_date"})
    covering = person["patient_id"].map(_covering(points, covers, ["patient_id"])["pathway"])
    age = person["origin"].dt.year - person["birth_year"]
    group = pd.cut(
        age, [0, 23, 30, 40, 50, 200], right=False,
        labels=["under_23", "age_23_29", "age_30_39", "age_40_49", "age_50_over"],
    )  # fmt: skip
    disorder = person["co_occurring_disorder"].map({True: "true", False: "false"})
    return pd.DataFrame(
        {
            "patient_id": person["patient_id"],
            "sex": person["sex"].fillna("unknown"),
            "age_group": group.astype("str").fillna("unknown"),
            "pathway": person["assigned_pathway"].fillna(covering).fillna("unknown"),
            "co_occurring_disorder": disorder.fillna("unknown"),
        }
    )


def _trend(use: pd.DataFrame, strata: pd.DataFrame) -> pd.DataFrame:
    """The numbers of derived.substance_trend for all, and for each stratum."""
    rows = use[["patient_id", "substance", "wave", "state", "days_28"]]
    rows = rows.merge(strata, on="patient_id")
    rows["n_expected"] = ~rows["state"].isin(["dead", "withdrawn", "moved", "not_due"])
    for state in STATES:
        rows[f"n_{state}"] = rows["state"] == state
    rows["all"] = "all"
    parts = [_by(rows, name) for name in ("all", *STRATA)]
    table = pd.concat(parts, ignore_index=True)
    observed = table["n_observed"].where(table["n_observed"] > 0)
    table["n_missing"] = table["n_expected"] - table["n_observed"]
    for state in STATES:
        table[state] = table[f"n_{state}"] / observed
    table["any_use"] = (table["n_episodic"] + table["n_regular"]) / observed
    return table[
        ["substance", "stratum_by", "stratum", "wave", "n_expected", "n_observed", "n_missing",
         "mean_days", "median_days", "n_abstinent", "n_episodic", "n_regular", *STATES, "any_use"]
    ]  # fmt: skip


def _by(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row per substance, wave and value of one stratifying column."""
    table = rows.groupby(["substance", "wave", name], as_index=False).agg(
        n_expected=("n_expected", "sum"),
        n_observed=("days_28", "count"),
        mean_days=("days_28", "mean"),
        median_days=("days_28", "median"),
        **{f"n_{state}": (f"n_{state}", "sum") for state in STATES},
    )
    return table.rename(columns={name: "stratum"}).assign(stratum_by=name)
