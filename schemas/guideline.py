"""The national guideline's recommendations 1.1 to 10.2, as a catalogue in our own words.

Belongs here: number, grade and a short paraphrase of each recommendation, and why the registry
does not measure those it does not. Does not belong here: the indicators (see
`registry_pipeline.indicators`).

Source: the Norwegian Directorate of Health's guideline on treatment and rehabilitation of
substance use problems (2016, changed 2017), published on helsedirektoratet.no: the pages that
public copies hold, and what the national network of the field (rusfeltet.no) quotes of others. It
has 58 recommendations, 4 in chapter 1, 10 in chapter 2 and 13 in chapter 4; those after 10.2 speak
of groups this registry does not follow. Which number speaks of what is taken from the registry's
own list of process indicators, which goes before any other count. A grade stands here only where
the guideline's own wording of the recommendation was read: nothing is guessed (ADR 41).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.codes import CodeList

GRADE: Final = CodeList(
    "recommendation_grade",
    {
        "skal": ("skal", "must, by law or beyond doubt"),
        "bør": ("bør", "should"),
        "anbefales": ("anbefales", "is recommended"),
        "foreslås": ("foreslås", "is suggested"),
        "kan": ("kan", "may"),
    },
)
CHAPTERS: Final[dict[int, tuple[str, str]]] = {
    1: ("Brukermedvirkning", "User involvement"),
    2: ("Oppstart, gjennomføring, avslutning og evaluering", "Start, course, end and evaluation"),
    3: ("Kartlegging og utredning", "Mapping and assessment"),
    4: ("Terapeutiske tilnærminger", "Therapeutic approaches"),
    5: ("Rammer og nivå", "Frames and levels of care"),
    6: ("Familie, bolig, økonomi, arbeid og nettverk", "Family, housing, money, work and network"),
    7: ("Unge", "Young people"),
    8: ("Selvmord og overdose", "Suicide and overdose"),
    9: (
        "Kjønn, minoriteter og seksuell orientering",
        "Gender, minorities and sexual orientation",
    ),
    10: ("Dopingmidler", "Doping agents"),
}
"""Chapter number to Norwegian and English heading, in our words."""

NO_TEXT: Final = "known by its number alone: no public copy of its text was found"
NO_CODE: Final = (
    "its text was not found, but whichever approach it is (mindfulness, mentalisation-based "
    "therapy and medicines for alcohol dependence are among those left), process_events.method "
    "has no code for it: it arrives as other"
)


@dataclass(frozen=True)
class Recommendation:
    """One recommendation.

    Attributes:
        number: chapter and number, as in `2.4`.
        nb: short Norwegian paraphrase; null where the text was not at hand.
        en: the same in English.
        grade: a code of `GRADE`; null where its wording was not read.
        not_measured: why no indicator measures it; null where one does.
    """

    number: str
    nb: str | None = None
    en: str | None = None
    grade: str | None = None
    not_measured: str | None = None

    @property
    def chapter(self) -> int:
        """The chapter's number."""
        return int(self.number.split(".")[0])


def _unread(number: str, why: str = NO_TEXT) -> Recommendation:
    return Recommendation(number, not_measured=why)


RECOMMENDATIONS: Final = (
    Recommendation(
        "1.1",
        "Personen er med og velger behandling.",
        "The person takes part in the choice.",
        "skal",
    ),
    Recommendation(
        "1.2",
        "Behandlingen evalueres systematisk med personen.",
        "Treatment is evaluated with the person, systematically.",
        "bør",
    ),
    Recommendation(
        "1.3", "Avtale om å legge inn seg selv.", "An agreement on self-referred admission."
    ),
    Recommendation("1.4", "Informeres om selvhjelpsgrupper.", "Told of self-help groups.", "bør"),
    Recommendation(
        "2.1",
        "Behandling starter så raskt som mulig.",
        "Treatment starts as soon as possible.",
        "bør",
    ),
    _unread("2.2"),
    Recommendation(
        "2.3", "Bytte av behandler når personen ber om det.", "Another therapist when asked for."
    ),
    Recommendation("2.4", "Behandlingsplan tidlig.", "An early treatment plan."),
    Recommendation("2.5", "Mål settes for behandlingen.", "Goals are set."),
    _unread("2.6"),
    Recommendation("2.7", "Kriseplan tidlig.", "An early crisis plan."),
    Recommendation("2.8", "Målene evalueres underveis.", "Goals are reviewed on the way."),
    Recommendation("2.9", "Behandlingen avsluttes planlagt.", "Treatment ends as planned."),
    Recommendation(
        "2.10", "Enheten leverer data om kvalitet.", "The unit delivers data on quality."
    ),
    Recommendation("3.1", "Rusmiddelbruk kartlegges.", "Substance use is mapped."),
    Recommendation("3.2", "Risiko for drop-out vurderes.", "The risk of drop-out is assessed."),
    Recommendation(
        "3.3",
        "Psykisk, kognitiv, somatisk og sosial kartlegging.",
        "Mental, cognitive, somatic and social mapping.",
    ),
    Recommendation(
        "4.1",
        "Miljøterapien er nedfelt i planer og prosedyrer.",
        "Milieu therapy is anchored in plans and procedures.",
        "bør",
        "no form describes a unit's plans and procedures: it is no property of a person or event",
    ),
    Recommendation("4.2", "Motiverende samtale.", "Motivational interviewing."),
    Recommendation("4.3", "Kognitiv terapi.", "Cognitive therapy."),
    _unread("4.4", NO_CODE),
    Recommendation("4.5", "Fysisk aktivitet.", "Physical activity."),
    Recommendation("4.6", "Musikkterapi for den som ønsker det.", "Music therapy.", "foreslås"),
    Recommendation("4.7", "Tolvtrinnsbehandling.", "Twelve-step treatment."),
    _unread("4.8", NO_CODE),
    _unread("4.9", NO_CODE),
    Recommendation(
        "4.10", "Nedtrapping av benzodiazepiner etter plan.", "Benzodiazepine taper by a plan."
    ),
    _unread("4.11", NO_CODE),
    _unread("4.12", NO_CODE),
    _unread("4.13", NO_CODE),
    Recommendation("5.1", "Uteblivelse følges opp.", "A missed appointment is followed up."),
    _unread("5.2"),
    Recommendation(
        "5.3", "Dagbehandling etter døgnopphold.", "Day treatment after an inpatient stay."
    ),
    Recommendation(
        "5.4", "Ambulant tilbud etter døgnopphold.", "Ambulatory care after an inpatient stay."
    ),
    Recommendation(
        "6.1", "Familie og nettverk involveres.", "Family and network are involved.", "bør"
    ),
    Recommendation("6.2", "Egnet bolig.", "Suitable housing."),
    Recommendation("6.3", "Hjelp med økonomi.", "Help with finances."),
    Recommendation("6.4", "Arbeid, skole eller aktivitet.", "Work, school or activity."),
    Recommendation("6.5", "Fritid.", "Leisure."),
    _unread("7.1"),
    _unread("7.2"),
    _unread("7.3"),
    Recommendation("7.4", "Familieterapi for unge.", "Family therapy for the young."),
    Recommendation("8.1", "Selvmordsrisiko kartlegges.", "The risk of suicide is screened."),
    Recommendation("8.2", "Overdoserisiko tas opp.", "The risk of overdose is discussed."),
    Recommendation("9.1", "Kjønnstilpasset behandling.", "Treatment adapted to gender.", "bør"),
    Recommendation(
        "9.2",
        "Seksuell orientering tas opp, og hva den kan ha å si for rusbruken.",
        "Sexual orientation is brought up, and what it may mean for the substance use.",
        "bør",
        "no form asks for sexual orientation, and no kind of process event says it was brought up",
    ),
    Recommendation(
        "9.3",
        "Behandlingen tar hensyn til språk, kultur og minoritetsbakgrunn.",
        "Treatment takes language, culture and minority background into account.",
        "skal",
    ),
    _unread("10.1"),
    Recommendation("10.2", "Bruk av dopingmidler kartlegges.", "Use of doping agents is mapped."),
)
"""Every recommendation, in order."""

BY_NUMBER: Final = {item.number: item for item in RECOMMENDATIONS}


def with_grade(number: str | None) -> str | None:
    """A recommendation's number with its grade: `1.2, bør`; null for null.

    Raises:
        KeyError: there is no such recommendation.
    """
    if number is None:
        return None
    grade = BY_NUMBER[number].grade
    return f"{number}, {grade}" if grade else number
