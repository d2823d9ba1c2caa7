"""Which rule asks for more launches of a run, whether one is finished, and what can be said while it is measured."""

import time
from collections.abc import Callable, Sequence

from ssdbench.analysis.verdicts.arms import launches_by_case
from ssdbench.analysis.verdicts.interim import InterimState, interim_launches, interim_state
from ssdbench.analysis.verdicts.interleaved import next_launches, next_pairs
from ssdbench.errors import StoreError, StoreUnreachableError
from ssdbench.harness.baseline_arm import parse_duration
from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.harness.runner import AskRule, run_candidates, run_pairs, run_plan
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.schema.record import Record, Run, RunHeader
from ssdbench.workflows.judging import find_reference
from ssdbench.workflows.nightly_looks import more_launches


def name_of_reference(store: Store, baseline: str | None) -> str:
    """The baseline or run to compare with; None: the default baseline.

    Of `latest` and of the beginning of an id the whole id: they may soon mean the run that is about to begin.

    Raises:
        StoreError: `baseline` is neither a baseline nor a run.
    """
    name = baseline or DEFAULT_BASELINE
    if name in {header.name for header in store.list_baselines()}:
        return name
    try:
        found = store.load(name).header.run_id
    except StoreUnreachableError:
        raise
    except StoreError as error:
        if baseline is not None:
            raise StoreError(f"no baseline {name!r} in {store.name}, and as a run: {error}") from None
        raise StoreError(
            f"{store.name} has no baseline that could decide: measure without --until-decided and accept the run, or "
            "measure both builds now with --decide"
        ) from None
    return name if name.endswith(".jsonl") else found


def deadline_of(budget: str | None) -> float | None:
    """When a budget that begins now (90s, 30m, 2h) is used up, by the monotonic clock in seconds; None without one.

    Raises:
        UsageError: the budget is no duration.
    """
    return None if budget is None else time.monotonic() + parse_duration(budget)


def measure_launches(loop: LaunchLoop, store: Store, header: RunHeader, deadline_seconds: float | None) -> None:
    """Measure pairs where the run has a baseline arm, as the rule asks; else the plan, then more until decided."""
    ask = _rule_of(store, header)
    if ask is not None and header.baseline_arm is not None:
        run_pairs(loop, header.plan, ask, deadline_seconds)
        return
    run_plan(loop, header.plan, deadline_seconds)
    ask = ask or more_launches(store, header)
    if ask is not None:
        run_candidates(loop, header.plan, ask, deadline_seconds)


def is_judged_at_its_end(header: RunHeader) -> bool:
    """Whether a run is measured in order to be decided, in pairs or against a stored baseline."""
    return header.baseline_arm is not None or header.options.until_decided is not None


def is_unfinished(store: Store, run: Run) -> bool:
    """Whether the run's plan, or the verdict rule, asks for launches that are not measured."""
    ask = _rule_of(store, run.header) or more_launches(store, run.header)
    if ask is not None and ask(run.records):
        return True
    launches = {(record.case.key, record.launch) for record in run.records}
    return run.header.baseline_arm is None and len(launches) < len(run.header.plan.order)


def outlook_of(store: Store, header: RunHeader) -> Callable[[Sequence[Record]], InterimState] | None:
    """The interim state of a run that is measured until it is decided; None for other runs."""
    if not is_judged_at_its_end(header):
        return None
    if header.baseline_arm is not None:
        return lambda records: interim_state(launches_by_case(header.plan, records), header.settings)
    stored = _stored_launches(store, header)
    return lambda records: interim_launches(launches_by_case(header.plan, records, stored), header.settings)


def _rule_of(store: Store, header: RunHeader) -> AskRule | None:
    plan, settings = header.plan, header.settings
    if header.baseline_arm is not None:
        return lambda records: next_pairs(launches_by_case(plan, records), settings)
    if header.options.until_decided is None:
        return None
    stored = _stored_launches(store, header)
    return lambda records: next_launches(launches_by_case(plan, records, stored), settings)


def _stored_launches(store: Store, header: RunHeader) -> Sequence[Record]:
    assert header.options.until_decided is not None
    reference = find_reference(store, header.hardware.key, header.options.until_decided)
    return reference.records if reference else ()
