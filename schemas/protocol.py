"""Protocols: what one cohort chose, read from TOML through pydantic.

Belongs here: every parameter a cohort may set, its default and its check.
Does not belong here: the parameters' effect (see `registry_pipeline.transform`).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from enum import StrEnum
from importlib import resources
from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.protocol_comparison import Comparison
from schemas.protocol_deadlines import Deadlines
from schemas.protocol_part import Code, Part
from schemas.protocol_programmes import Programmes
from schemas.protocol_trajectories import Trajectories


class ProtocolError(ValueError):
    """A protocol that cannot be used; the message names the protocol and the field."""


class Origin(StrEnum):
    """The day zero a clock counts from."""

    BASELINE_INTERVIEW = "baseline_interview"
    CONSENT_DATE = "consent_date"
    EPISODE_START = "episode_start"
    TREATMENT_START = "treatment_start"


class Waves(Part):
    """The schedule of interviews.

    Attributes:
        interval: length of one interval, in `interval_unit`.
        nominal_days: the due days, baseline first; the same list gives `retention_at`.
        rule: `nearest` nominal day, or the interviewer's own `planned_wave`.
        on_time_days: at most so far from the nominal day is on time.
        in_window_days: at most so far is in the window; a wave is due so long after its day.
        recall_days: days a use question looks back, where the row does not say.
        origin: the day zero of the waves.
    """

    interval: int = Field(gt=0)
    interval_unit: Literal["months", "weeks", "days"] = "months"
    nominal_days: tuple[int, ...]
    rule: Literal["nearest", "planned_wave"] = "nearest"
    on_time_days: int = 14
    in_window_days: int = 30
    recall_days: int = 28
    origin: Origin = Origin.BASELINE_INTERVIEW

    @model_validator(mode="after")
    def _ordered(self) -> Waves:
        if not self.nominal_days or self.nominal_days[0] != 0:
            raise ValueError("nominal_days starts with 0, the baseline")
        if list(self.nominal_days) != sorted(set(self.nominal_days)):
            raise ValueError("nominal_days rises")
        return self

    @property
    def months(self) -> tuple[int, ...]:
        """The nominal days in whole months (30.4375 days), for reading."""
        return tuple(round(day / 30.4375) for day in self.nominal_days)


class Retention(Part):
    """How retention is counted: day zero, the gap that ends an episode, early drop-out."""

    origin: Origin = Origin.BASELINE_INTERVIEW
    gap_days: int = Field(default=10, ge=0)
    sensitivity_gap_days: tuple[int, ...] = (7, 10, 14, 30)
    early_days: tuple[int, ...] = (30, 90)
    min_at_risk_delayed_entry: int = 10


class States(Part):
    """Cut points between the states of use and of change, and the runs."""

    episodic_share: tuple[int, int] = (1, 4)
    improved_share: tuple[int, int] = (1, 2)
    deteriorated_share: tuple[int, int] = (3, 2)
    deteriorated_days_28: int = 4
    reliability: float = Field(default=0.8, ge=0, lt=1)
    sustained_waves: int = 2
    relapse_after_waves: int = 2


class _Coded(Part):
    """A code that the protocol chose, with its Norwegian and English label."""

    code: Code
    nb: str
    en: str


class Substance(_Coded):
    """A substance asked about: its `<code>_days` column stands in the interview form."""


class Group(_Coded):
    """A group of substances: its state is the highest of its members."""

    members: tuple[Code, ...]


class Pathway(_Coded):
    """A pathway code: is the person in treatment (OAT) there, is it the index pathway."""

    treatment: bool
    index: bool = False


class Unit(Part):
    """A unit that treats or interviews."""

    id: str
    name: str
    orgnr: str | None = None
    hf: str | None = None
    rhf: str | None = None
    municipality: str | None = None


class Target(Part):
    """The levels of an indicator: green from `green`, yellow from `yellow`."""

    green: float
    yellow: float


class Disclosure(Part):
    """Small-number thresholds for what leaves the house."""

    min_count: int = 5
    min_percentage_denominator: int = 10
    low_coverage: float = 0.6


class FormMap(Part):
    """How another registry's export becomes one of our forms.

    Attributes:
        source: the file (form name) the rows are read from, when several forms read one file.
        where: original column to the original values whose rows belong to this form; a row that no
            form of the file takes is quarantined.
        left_out: original column to the original values whose rows belong to no form of the file:
            counted, and not taken in.
        rename: original column to our column, or to each of ours that are made of it (one column
            that says both whether the interview was held and where the treatment stands).
        recode: our column to {original value: our code}; an empty text means null.
        ignore: columns that are dropped unread (but scanned for identity numbers).
    """

    source: str | None = None
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    left_out: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rename: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    recode: dict[str, dict[str, str]] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _leaves_some_in(self) -> FormMap:
        if self.left_out and not self.where:
            raise ValueError("left_out needs where: without it the form takes every row")
        return self

    def ours(self, column: str) -> tuple[str, ...]:
        """Our columns that are made of an original one."""
        names = self.rename.get(column, column)
        return (names,) if isinstance(names, str) else names


class Protocol(Part):
    """One cohort's protocol; see the contract, section 2."""

    id: Code
    title_nb: str
    title_en: str
    remark_nb: str = ""
    remark_en: str = ""
    person_id: Literal["local", "national"] = "local"
    eligible: int | None = Field(default=None, gt=0)
    waves: Waves
    retention: Retention = Retention()
    states: States = States()
    trajectories: Trajectories = Trajectories()
    substances: tuple[Substance, ...] = ()
    groups: tuple[Group, ...] = ()
    opioid_group: Code | None = None
    illicit_group: Code | None = None
    pathways: tuple[Pathway, ...] = ()
    reference_pathway: Code | None = None
    units: tuple[Unit, ...] = ()
    targets: dict[str, Target] = Field(default_factory=dict)
    programmes: Programmes = Programmes()
    deadlines: Deadlines = Deadlines()
    disclosure: Disclosure = Disclosure()
    comparison: Comparison = Comparison()
    max_quarantine_share: float = Field(default=0.5, gt=0, le=1)
    forms: dict[str, FormMap] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Protocol:
        items: tuple[_Coded, ...] = (*self.substances, *self.groups)
        codes = [item.code for item in items]
        if len(set(codes)) != len(codes):
            raise ValueError("a substance or group code is used twice")
        known = {substance.code for substance in self.substances}
        for group in self.groups:
            if not set(group.members) <= known:
                raise ValueError(f"group {group.code} names a substance that is not asked")
        if any(code not in (None, *codes) for code in (self.opioid_group, self.illicit_group)):
            raise ValueError("opioid_group and illicit_group name a substance or a group")
        units = {"all", *(unit.id for unit in self.units)}
        if any(one.unit_id not in units for one in self.programmes.interventions):
            raise ValueError("an intervention is at a unit that is not among the units")
        pathways = {pathway.code for pathway in self.pathways}
        if self.reference_pathway and self.reference_pathway not in pathways:
            raise ValueError("reference_pathway is not among the pathways")
        return self

    @property
    def substance_columns(self) -> tuple[str, ...]:
        """The interview columns this protocol adds, in order."""
        return tuple(f"{substance.code}_days" for substance in self.substances)

    @property
    def index_pathways(self) -> tuple[str, ...]:
        """Codes of the index pathway."""
        return tuple(pathway.code for pathway in self.pathways if pathway.index)

    @property
    def treatment_pathways(self) -> tuple[str, ...]:
        """Codes in which the person is in treatment (OAT)."""
        return tuple(pathway.code for pathway in self.pathways if pathway.treatment)

    def form(self, name: str) -> FormMap:
        """The maps for one form; the identity where the protocol says nothing."""
        return self.forms.get(name, FormMap())


def parse_protocol(text: str, name: str) -> Protocol:
    """The protocol in a TOML text.

    Raises:
        ProtocolError: the text is not TOML or a field is wrong; `name` and fields are named.
    """
    try:
        return Protocol.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProtocolError(f"{name}: not a TOML file") from error
    except ValueError as error:
        raise ProtocolError(f"{name}: {_problems(error)}") from error


def shipped_protocols() -> dict[str, str]:
    """Protocol id to TOML text, for the protocols that ship with the package."""
    folder = resources.files("schemas") / "protocols"
    return {
        entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    }


def shipped_text(protocol_id: str, also_known: Iterable[str] = ()) -> str:
    """The TOML text of a protocol that ships.

    Args:
        protocol_id: the protocol.
        also_known: other protocols that the caller would have taken, for the message.

    Raises:
        ProtocolError: no protocol of that id ships.
    """
    texts = shipped_protocols()
    if protocol_id not in texts:
        known = ", ".join(sorted({*texts, *also_known}))
        raise ProtocolError(f"{protocol_id}: unknown protocol; known: {known}")
    return texts[protocol_id]


def load_shipped(protocol_id: str) -> Protocol:
    """A protocol that ships, by id.

    Raises:
        ProtocolError: no protocol of that id ships.
    """
    return parse_protocol(shipped_text(protocol_id), protocol_id)


def protocol_sha256(text: str) -> str:
    """The hash that `meta.protocol` stores beside the text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _problems(error: Any) -> str:
    if not hasattr(error, "errors"):
        return str(error)
    parts = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        parts.append(f"{where}: {item['msg']}" if where else item["msg"])
    return "; ".join(parts)
