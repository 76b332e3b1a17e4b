"""Expectations: the Great Expectations suites as checks on the tables they read.

Belongs here: one op that runs every suite and says what became of each.
Does not belong here: what is expected (`registry_pipeline.expectations`).
"""

from collections.abc import Iterator

import dagster as dg

from assets.catalogue import asset_key
from assets.layers import RECHECK
from assets.run import POOL, RegistryRun
from registry_pipeline.expectations.runner import run_suites
from registry_pipeline.expectations.suite import SuiteResult
from registry_pipeline.expectations.suites import SUITES

_SEVERITY = {"warn": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}


@dg.multi_asset_check(
    name="expectations",
    specs=[
        dg.AssetCheckSpec(
            suite.name,
            asset=asset_key(suite.table),
            automation_condition=RECHECK,
            description=f"{suite.title}: "
            + " ".join(expectation.description for expectation in suite.expectations),
        )
        for suite in SUITES
    ],
    pool=POOL,
    can_subset=True,
)
def expectation_checks(
    context: dg.AssetCheckExecutionContext, registry: RegistryRun
) -> Iterator[dg.AssetCheckResult]:
    """Runs the suites on the stored tables and replaces `published/data_docs`.

    All of them, since the pages are one whole; a run of a few tables hears of its own suites.
    """
    with registry.connect() as connection:
        results = run_suites(connection, registry.place.data_docs)
    wanted = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
    for result in results:
        if (asset_key(result.table), result.suite.name) in wanted:
            yield _result(result)


def _result(result: SuiteResult) -> dg.AssetCheckResult:
    """Counts alone. A suite with nothing to judge warns, one that broke is an error whatever it is.

    A check is passed or not, and zero rows never pass.
    """
    severity = _SEVERITY["error" if result.status == "error" else result.suite.severity]
    return dg.AssetCheckResult(
        check_name=result.suite.name,
        asset_key=asset_key(result.table),
        passed=result.status == "passed",
        severity=dg.AssetCheckSeverity.WARN if result.status == "not_applicable" else severity,
        description=" ".join(result.failed) or None,
        metadata={
            "status": result.status,
            "expectations": result.n_expectations,
            "not met": result.n_failed,
        },
    )
