"""What a row of each programme's table measures, with its Norwegian and English label.

Belongs here: the measures of the tables in `schemas.quality.programmes` and `schemas.quality.care`.
Does not belong here: other code lists of results (see `result_codes`).
"""

from __future__ import annotations

from typing import Final

from schemas.codes import CodeList

NO_SHOW_MEASURE: Final = CodeList(
    "no_show_measure",
    {
        "no_show": ("ikke møtt av avtalte", "no-show"),
        "no_show_strict": ("ikke møtt, uten sene avbestillinger", "no-show, late cancels left out"),
        "no_show_of_scheduled": ("ikke møtt av alle timer", "no-show of all scheduled"),
        "cancelled_late": ("avbestilt sent", "cancelled late"),
        "never_met": ("aldri møtt", "never met"),
    },
)
BRIDGING_STEP: Final = CodeList(
    "bridging_step",
    {
        "identified": ("identifisert", "identified"),
        "conversation": ("samtale", "conversation"),
        "declined": ("takket nei", "declined"),
        "unable": ("ikke i stand", "unable"),
        "referred": ("henvist", "referred"),
        "centre_contact": ("kontakt med senteret", "contact with the centre"),
        "centre_contact_followed": (
            "kontakt med senteret, av de som ble fulgt",
            "contact with the centre, of those followed",
        ),
    },
)
DETOX_MEASURE: Final = CodeList(
    "detox_measure",
    {
        "mean_days": ("gjennomsnittlig liggetid", "mean stay"),
        "median_days": ("median liggetid", "median stay"),
        "readmitted": ("reinnlagt", "readmitted"),
        "readmitted_unrelated": (
            "reinnlagt av annen årsak",
            "readmitted for an unrelated cause",
        ),
        "next_treatment": ("videre behandling i tide", "next treatment in time"),
        "median_days_to_next": (
            "median tid til videre behandling",
            "median time to next treatment",
        ),
    },
)
INVOLVEMENT_MEASURE: Final = CodeList(
    "involvement_measure",
    {
        "level": ("andel på nivået", "share at the level"),
        "top_two": ("andel høy eller svært høy grad", "share in the two highest levels"),
        "mean": ("gjennomsnitt", "mean"),
    },
)
FEEDBACK_MEASURE: Final = CodeList(
    "feedback_measure",
    {
        "reliable_improvement": ("sikker bedring", "reliable improvement"),
        "reliable_deterioration": ("sikker forverring", "reliable deterioration"),
        "alliance_concern": ("svak allianse", "alliance concern"),
        "off_track": ("utenfor forventet forløp", "off track"),
        "sessions_per_person": ("samtaler per person", "sessions per person"),
    },
)
CHECKLIST_MEASURE: Final = CodeList(
    "checklist_measure",
    {
        "checklist_used": ("sjekkliste tidlig i oppholdet", "checklist early in the stay"),
        "dropout_observed": ("drop-out blant vurderte", "drop-out among those assessed"),
        "milestone_in_time": ("milepælsmøte i tide", "milestone meeting in time"),
        "attended_admission": ("møtt til planlagt innleggelse", "attended the planned admission"),
        "returned": ("tilbake etter drop-out", "back after drop-out"),
    },
)
TRANSITION_MEASURE: Final = CodeList(
    "transition_measure",
    {
        "kept_in_time": ("overgang holdt innen fristen", "transition kept in time"),
        "median_days": ("median dager mellom", "median days between"),
    },
)
GOAL_MEASURE: Final = CodeList(
    "goal_measure",
    {
        "reached": ("nådd av planlagt", "reached of planned"),
        "adds_up": ("delene mot totalen", "the parts against the total"),
    },
)
DROPOUT_MEASURE: Final = CodeList(
    "dropout_measure",
    {
        "dropout": ("drop-out av avsluttede", "drop-out of ended stays"),
        "dropout_known": ("drop-out, ukjente utelatt", "drop-out, unknown ends left out"),
        "unknown_end": ("ukjent avslutning", "end unknown"),
        "early_dropout": ("tidlig drop-out", "early drop-out"),
        "never_met": ("aldri møtt, av planlagte", "never met, of planned"),
        "dropped_out_later": ("møtt og siden drop-out, av planlagte", "dropped out, of planned"),
    },
)
CO_OCCURRING_MEASURE: Final = CodeList(
    "co_occurring_measure",
    {
        "integrated_care": ("integrert behandling", "integrated treatment"),
        "same_unit": ("begge lidelser ved samme enhet", "both disorders at one unit"),
        "individual_plan": ("individuell plan", "individual plan"),
        "coordination_meeting": ("samarbeidsmøte", "coordination meeting"),
        "gp_contact": ("kontakt med fastlege", "contact with the GP"),
        "stable_housing": ("stabil bolig", "stable housing"),
        "housing_lost_relapse": (
            "regelmessig bruk etter tap av bolig",
            "regular use after losing the home",
        ),
        "housing_kept_relapse": (
            "regelmessig bruk med bolig beholdt",
            "regular use with the home kept",
        ),
        "to_municipality": (
            "fra spesialist til kommune i tide",
            "from specialist to municipality in time",
        ),
        "to_specialist": (
            "fra kommune til spesialist i tide",
            "from municipality to specialist in time",
        ),
    },
)
SEGMENT: Final = CodeList(
    "segment",
    {
        "whole": ("hele perioden", "whole series"),
        "before": ("før", "before"),
        "during": ("oppstart", "quarter of the start"),
        "after": ("etter", "after"),
    },
)
WORKLIST_RULE: Final = CodeList(
    "worklist_rule",
    {
        "missed_appointments": ("flere timer ikke møtt", "several appointments missed"),
        "high_risk": ("høy risiko på sjekklisten", "high risk on the checklist"),
        "not_assessed": ("risiko ikke vurdert i tide", "risk not assessed in time"),
        "milestone_overdue": ("milepælsmøte på overtid", "milestone meeting overdue"),
        "off_track": ("utenfor forventet forløp", "course off track"),
        "alliance_concern": ("svak allianse", "alliance concern"),
        "dropped_out": ("nylig drop-out, ikke tilbake", "dropped out lately, not back"),
    },
)
WORKLIST_SUGGESTION: Final = CodeList(
    "worklist_suggestion",
    {
        "outreach": ("oppsøk personen", "seek the person out"),
        "change_frame": ("oppsøk, eller endre rammene", "seek out, or change the frame"),
        "follow_checklist": ("følg sjekklistens tiltak", "follow the checklist's actions"),
        "assess": ("fyll ut sjekklisten", "fill in the checklist"),
        "hold_meeting": ("hold milepælsmøtet", "hold the milestone meeting"),
        "talk_it_over": ("ta det opp i neste samtale", "take it up in the next session"),
    },
)
