"""Code lists: every closed set of values, with its Norwegian and English label.

Belongs here: codes and the domain facts attached to a code (is it drop-out, is it an answer).
Does not belong here: codes that a protocol chooses (substances, pathways, units).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class CodeList:
    """A closed set of codes.

    Attributes:
        name: the name of the set, unique in this module.
        labels: code to (Norwegian, English) label, in display order.
    """

    name: str
    labels: dict[str, tuple[str, str]]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes, in display order."""
        return tuple(self.labels)

    def label(self, code: str, language: str = "en") -> str:
        """The label of a code in `nb` or `en`; an unknown code is its own label."""
        pair = self.labels.get(code, (code, code))
        return pair[0] if language == "nb" else pair[1]


def _codes(name: str, **labels: str) -> CodeList:
    """A code list from `code="norsk | English"` pairs."""
    pairs = {code: text.split(" | ") for code, text in labels.items()}
    return CodeList(name, {code: (pair[0], pair[1]) for code, pair in pairs.items()})


SEX: Final = _codes(
    "sex",
    female="kvinne | woman",
    male="mann | man",
    other="annet | other",
    unknown="ukjent | unknown",
)
CONSENT: Final = _codes(
    "consent",
    consented="samtykket | consented",
    declined="takket nei | declined",
    no_answer="ikke svart | no answer",
    opt_out="reservert seg | opted out",
)
LEGAL_BASIS: Final = _codes(
    "legal_basis", consent="samtykke | consent", opt_out="reservasjonsrett | right to opt out"
)
INTERVIEW_STATUS: Final = _codes(
    "interview_status",
    completed="fullført | completed",
    partial="delvis | partial",
    missed="ikke møtt | missed",
    refused="avslått | refused",
)
VISIT_STATUS: Final = _codes(
    "visit_status",
    completed="fullført | completed",
    partial="delvis | partial",
    missed="uteblitt | missed",
    refused="avslått | refused",
    not_due="ikke forfalt | not due",
    dead="død | dead",
    withdrawn="trukket seg | withdrawn",
    moved="flyttet | moved",
    out_of_treatment="ute av behandling | out of treatment",
)
VISIT_WINDOW: Final = _codes(
    "visit_window",
    on_time="i rett tid | on time",
    in_window="innenfor vinduet | in window",
    off_window="utenfor vinduet | off window",
)
TREATMENT_STATUS: Final = _codes(
    "treatment_status",
    active="aktiv | active",
    transferred="overført | transferred",
    interrupted="avbrutt | interrupted",
    ended_mutual="avsluttet etter avtale | ended by mutual agreement",
    followup_done="etterundersøkt | follow-up done",
    followup_not_reached="ikke nådd | follow-up not reached",
    followup_refused="avslått etterundersøkelse | follow-up refused",
)
MODE: Final = _codes(
    "mode",
    in_person="oppmøte | in person",
    phone="telefon | phone",
    video="video | video",
    self="selvutfylt | self-completed",
)
OAT_MEDICINE: Final = _codes(
    "oat_medicine",
    methadone="metadon | methadone",
    buprenorphine="buprenorfin | buprenorphine",
    buprenorphine_depot="buprenorfin depot | buprenorphine depot",
    other="annet | other",
    none="ingen | none",
)
HOUSING: Final = _codes(
    "housing",
    own="eid bolig | own home",
    rented="leid bolig | rented home",
    family="hos familie | with family",
    institution="institusjon | institution",
    shelter="hospits | shelter",
    homeless="uten bolig | homeless",
    prison="fengsel | prison",
    other="annet | other",
    unknown="ukjent | unknown",
)
EMPLOYMENT: Final = _codes(
    "employment",
    work="arbeid | work",
    education="utdanning | education",
    activity="aktivitet eller tiltak | activity",
    benefits="trygd | benefits",
    none="ingen | none",
    unknown="ukjent | unknown",
)
NETWORK: Final = _codes(
    "drug_free_network",
    none="ingen | none",
    some="noen | some",
    mostly="for det meste | mostly",
    only="bare | only",
    unknown="ukjent | unknown",
)
YES_NO: Final = _codes("yes_no", yes="ja | yes", no="nei | no", unknown="vet ikke | unknown")
LEVEL: Final = _codes(
    "level",
    gp="fastlege | GP",
    outpatient="poliklinikk | outpatient",
    day="dagbehandling | day treatment",
    inpatient="døgn | inpatient",
    detox="avrusning | detox",
    ambulatory="ambulant | ambulatory",
    municipal="kommunal | municipal",
)
EXIT_TYPE: Final = _codes(
    "exit_type",
    planned_mutual="planlagt, etter avtale | planned, by agreement",
    transfer_unit="overført til annen enhet | transferred to another unit",
    transfer_specialist="tilbake til spesialisthelsetjenesten | back to the specialist service",
    patient_notified="avbrutt av pasienten, varslet | ended by the patient, notified",
    patient_absent="avbrutt av pasienten, uteblitt | ended by the patient, absent",
    institution="avbrutt av institusjonen | ended by the institution",
    interrupted_unspecified="avbrutt, uspesifisert | interrupted, unspecified",
    incarcerated="fengslet | incarcerated",
    death_overdose="død, overdose | death by overdose",
    death_other="død, annen årsak | death, other cause",
    moved="flyttet | moved",
    never_met="aldri møtt | never met",
    unknown="ukjent | unknown",
)
DROP_OUT: Final = frozenset(
    {"patient_notified", "patient_absent", "institution", "interrupted_unspecified"}
)
"""Exit types that are drop-out (domain notes, section 3). `unknown` is counted beside it."""

NOT_EXPECTED: Final = ("dead", "withdrawn", "moved", "not_due")
"""Visit statuses that take a person out of the expected; out of treatment stays in."""

DEATHS: Final = frozenset({"death_overdose", "death_other"})
"""Codes, in exit types and event types alike, that are a death."""

DISORDER_TREATED: Final = _codes(
    "disorder_treated",
    substance="ruslidelse | substance use disorder",
    mental="psykisk lidelse | mental disorder",
    both="begge | both",
)
EVENT_TYPE: Final = _codes(
    "event_type",
    death_overdose="død, overdose | death by overdose",
    death_other="død, annen årsak | death, other cause",
    overdose="overdose | overdose",
    hospital_admission="sykehusinnleggelse | hospital admission",
    incarceration="fengsling | incarceration",
    moved="flyttet | moved",
    other="annet | other",
)
TOXICOLOGY_RESULT: Final = _codes(
    "toxicology_result",
    negative="negativ | negative",
    positive="positiv | positive",
    prescribed="forskrevet | prescribed",
)
APPOINTMENT_STATUS: Final = _codes(
    "appointment_status",
    attended="møtt | attended",
    no_show="ikke møtt | no show",
    cancelled_in_time="avbestilt i tide | cancelled in time",
    cancelled_late="avbestilt sent | cancelled late",
    cancelled_by_unit="avlyst av enheten | cancelled by the unit",
)
PROCESS_KIND: Final = _codes(
    "process_kind",
    dropout_checklist="sjekkliste mot drop-out | drop-out checklist",
    milestone_meeting="milepælsmøte | milestone meeting",
    preadmission_call="samtale før innleggelse | pre-admission call",
    feedback_session="tilbakemeldingssamtale | feedback session",
    peer_outreach="oppsøking av erfaringskonsulent | peer outreach",
    treatment_plan="behandlingsplan | treatment plan",
    crisis_plan="kriseplan | crisis plan",
    individual_plan="individuell plan | individual plan",
    goals_set="mål satt | goals set",
    goals_reviewed="mål evaluert | goals reviewed",
    suicide_screen="selvmordsscreening | suicide screening",
    overdose_risk_talk="samtale om overdoserisiko | overdose risk discussed",
    naloxone="nalokson | naloxone",
    coordination_meeting="samarbeidsmøte | coordination meeting",
    self_help_information="informert om selvhjelp | told of self-help groups",
    self_referral_agreement="brukerstyrt plass | self-referral agreement",
    family_therapy="familieterapi | family therapy",
    medication_taper="nedtrapping | medication taper",
    transition_planned="overgang planlagt | transition planned",
    assessment_done="utredning ferdig | assessment done",
    evaluation="evaluering | evaluation",
    mapping_mental="kartlagt psykisk | mental mapping",
    mapping_cognitive="kartlagt kognitivt | cognitive mapping",
    mapping_somatic="kartlagt somatisk | somatic mapping",
    mapping_dental="kartlagt tannhelse | dental mapping",
    mapping_nutrition="kartlagt ernæring | nutrition mapping",
    mapping_social="kartlagt sosialt | social mapping",
    method_offered="metode tilbudt | method offered",
    method_received="metode mottatt | method received",
    therapist_change_requested="ønsket behandlerbytte | change of therapist requested",
    therapist_change_made="byttet behandler | change of therapist made",
    frame_changed="rammer endret | frame changed",
    finance_help="hjelp med økonomi | help with finances",
    leisure_support="fritidstilbud | leisure support",
    gp_contact="kontakt med fastlege | GP contact",
    gender_adaptation="kjønnstilpasset | adapted to gender",
    language_adaptation="språktilpasset | adapted to language",
)
METHOD: Final = _codes(
    "method",
    motivational_interviewing="motiverende samtale | motivational interviewing",
    cognitive_therapy="kognitiv terapi | cognitive therapy",
    physical_activity="fysisk aktivitet | physical activity",
    music_therapy="musikkterapi | music therapy",
    twelve_step="tolvtrinn | twelve-step",
    other="annet | other",
)
OUTREACH_OUTCOME: Final = _codes(
    "outreach_outcome",
    conversation="samtale | conversation",
    declined="takket nei | declined",
    unable="ikke i stand | unable",
)
GOAL_SOURCE: Final = _codes(
    "goal_source",
    manual_count="manuell telling | manual count",
    audit="journalgjennomgang | audit",
    survey="spørreskjema | survey",
    interview="intervju | interview",
    care_plan="plan | care plan",
)
WITHDRAWAL_SCOPE: Final = _codes(
    "withdrawal_scope",
    stop_interviews="stans intervjuene | stop the interviews",
    erase="slett alt | erase everything",
)
USE_STATE: Final = _codes(
    "use_state",
    abstinent="ingen bruk | no use",
    episodic="enkelte ganger | single episodes",
    regular="regelmessig | regular use",
    not_asked="ikke spurt | not asked",
    missed="uteblitt | missed",
    refused="avslått | refused",
    not_due="ikke forfalt | not due",
    dead="død | dead",
    withdrawn="trukket seg | withdrawn",
    moved="flyttet | moved",
    out_of_treatment="ute av behandling | out of treatment",
)
USED_STATES: Final = ("abstinent", "episodic", "regular")
"""The observed states, in order of use: 0, 1, 2."""

STATE_LETTER: Final = {
    "abstinent": "A",
    "episodic": "E",
    "regular": "R",
    "missed": "m",
    "refused": "r",
    "dead": "d",
    "withdrawn": "w",
    "out_of_treatment": "o",
    "moved": "v",
    "not_due": "_",
    "not_asked": ".",
}
"""One letter per state, for trajectory words (domain notes, section 3)."""

CHANGE: Final = _codes(
    "change",
    not_able_to_improve="ingen bruk ved start | no use at baseline",
    abstinent="sluttet | stopped",
    improved="mindre bruk | less use",
    unchanged="uendret | unchanged",
    deteriorated="mer bruk | more use",
)
TRAJECTORY_CLASS: Final = _codes(
    "trajectory_class",
    insufficient_data="for få svar | too few answers",
    ended="avsluttet | ended",
    stable_abstinent="stabilt rusfri | stable, no use",
    stable_regular="stabil regelmessig bruk | stable, regular use",
    stable_low="stabil lav bruk | stable, low use",
    improving="i bedring | improving",
    deteriorating="forverring | deteriorating",
    fluctuating="svingende | fluctuating",
)
AGE_GROUP: Final = _codes(
    "age_group",
    under_23="under 23 år | under 23",
    age_23_29="23–29 år | 23–29",
    age_30_39="30–39 år | 30–39",
    age_40_49="40–49 år | 40–49",
    age_50_over="50 år og over | 50 and over",
    unknown="ukjent | unknown",
)
RETENTION_KIND: Final = _codes(
    "retention_kind",
    treatment="i behandling | in treatment",
    pathway="i forløpet | in the index pathway",
    study="i undersøkelsen | in the study",
)
RETENTION_ORIGIN: Final = _codes(
    "retention_origin",
    baseline="fra første intervju | from the baseline",
    treatment_start="fra behandlingsstart | from treatment start",
)
STRATUM_BY: Final = _codes(
    "stratum_by",
    all="alle | all",
    sex="kjønn | sex",
    age_group="aldersgruppe | age group",
    pathway="forløp ved start | pathway at baseline",
    co_occurring_disorder="samtidig psykisk lidelse | co-occurring disorder",
)
MISSING_RULE: Final = _codes(
    "missing_rule",
    observed="observerte svar | observed cases",
    missing_is_failure="manglende regnes som ikke oppnådd | missing counted as not achieved",
    best="beste fall | best case",
    worst="verste fall | worst case",
)
PATHWAY_RULE: Final = _codes(
    "pathway_rule",
    baseline="forløp ved start | pathway at baseline",
    at_wave="forløp ved målepunktet | pathway at the wave",
    time_share="etter tidsandel | by share of time",
)
FILE_STATUS: Final = _codes(
    "file_status", accepted="mottatt | accepted", refused="avvist | refused"
)
CHECK_STATUS: Final = _codes(
    "check_status",
    passed="bestått | passed",
    failed="ikke bestått | failed",
    not_applicable="ikke aktuelt | not applicable",
    error="feil | error",
)
