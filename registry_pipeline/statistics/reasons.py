"""Why an estimate is null: the closed set of reasons that the statistics write.

Belongs here: one constant per reason. Does not belong here: reasons for hiding a number.
"""

from typing import Final

NOT_COMPUTABLE: Final = "not_computable"
"""A zero denominator, too few values, or too few people at risk to start a curve."""

PERIODS_DIFFER: Final = "periods_differ"
"""Some of the denominator were not looked for in the numerator's period."""

AT_ZERO: Final = "estimate_is_0"
AT_ONE: Final = "estimate_is_1"
"""The log-log interval of a curve does not exist at 0 and 1."""

BEYOND_FOLLOW_UP: Final = "beyond_follow_up"
"""The day asked for lies after the last day anyone was observed."""

MEDIAN_NOT_REACHED: Final = "median_not_reached"
MEDIAN_INTERVAL_OPEN: Final = "median_interval_open"
"""The curve, or a bound of it, does not fall to one half."""

ONE_GROUP: Final = "one_group"
NO_EVENTS: Final = "no_events"
DELAYED_ENTRY: Final = "delayed_entry"
"""The test needs two groups, an event, or everyone observed from day 0."""

SPARSE_CELLS: Final = "sparse_cells"
"""An expected cell below 5 or an empty cell: no ratio, no large-sample p-value."""

NO_VARIATION: Final = "no_variation"
"""All values are alike (of a mean, in both groups of a difference, in every unit of a funnel), or
all states that were seen are equally frequent: there is no error to tell."""

NOT_DEFINED: Final = "not_defined"
"""The measure has no such number: a run chart no limits, a mean no missing that counts as use."""

TOO_FEW: Final = "too_few"
"""A unit below the size at which it may carry a signal."""

NO_CHECK: Final = "proportional_hazards_not_tested"
"""All exits of the model fall on one day, so no trend of the hazard ratio can be seen; or the
hazard is that of the subdistribution, of which it is not asked."""

NO_CONVERGENCE: Final = "no_convergence"
"""The search for the estimate does not come to rest."""
