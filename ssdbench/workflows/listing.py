"""Lists stored runs, with the verdict on each and the baselines that it became."""

from collections.abc import Iterable

from ssdbench.analysis.verdicts.arms import last_attempts
from ssdbench.analysis.verdicts.coverage import failures
from ssdbench.errors import ExitCode, StoreError, StoreUnreachableError
from ssdbench.harness.run_setup import trains_for_accuracy
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import Run, RunHeader
from ssdbench.schema.run_summary import RunList, RunSummary
from ssdbench.workflows.display import Say
from ssdbench.workflows.judging import judge_run

_VERDICTS = {
    ExitCode.OK: "ok",
    ExitCode.REGRESSED: "regressed",
    ExitCode.CASE_FAILED: "failed",
    ExitCode.INCONCLUSIVE: "inconclusive",
}


def list_runs(store: Store, say: Say, *, last: int, suite: str | None, hardware: str) -> RunList:
    """The newest runs.

    Args:
        store: where they are.
        say: is called with a sentence about a run that cannot be read; the run is left out.
        last: how many; 0: all.
        suite: only runs of this suite; None: of all.
        hardware: only runs on hardware with this in its key.

    Raises:
        StoreError: nothing can be read, or there is no such run.
    """
    stored = store.headers()
    if not stored:
        raise StoreError(
            f"{store.name}: there are no runs yet: `ssdbench run` measures speed, `ssdbench converge` trains"
        )
    headers = [
        header for header in reversed(stored) if suite in (None, header.plan.suite) and hardware in header.hardware.key
    ]
    if not headers:
        raise StoreError(f"{store.name}: no run of this suite on this hardware is stored; `ssdbench runs` lists all")
    chosen = headers[: last or None]
    names = _accepted(store)
    runs = tuple(_summary(store, run, names.get(run.header.run_id, ())) for run in _readable(store, chosen, say))
    return RunList(runs=runs, left_out=len(headers) - len(chosen))


def _readable(store: Store, headers: Iterable[RunHeader], say: Say) -> Iterable[Run]:
    for header in headers:
        try:
            yield store.load(header.run_id)
        except StoreUnreachableError:
            raise
        except StoreError as error:
            say(str(error))


def _summary(store: Store, run: Run, names: tuple[str, ...]) -> RunSummary:
    header = run.header
    return RunSummary(
        run_id=header.run_id,
        created_at=header.created_at,
        suite=header.plan.suite,
        hardware_key=header.hardware.key,
        hostname=header.host.hostname,
        launches=len(run.records),
        planned=len(header.plan.order),
        failed=len(failures(last_attempts(run).records)),
        verdict=_verdict(store, run),
        baselines=names,
    )


def _verdict(store: Store, run: Run) -> str | None:
    if trains_for_accuracy(run.header.plan):
        return None
    try:
        return _VERDICTS.get(judge_run(store, run).exit_code)
    except StoreUnreachableError:
        raise
    except StoreError:  # a baseline that cannot be read; `store check` names it
        return None


def _accepted(store: Store) -> dict[str, tuple[str, ...]]:
    """The names of baselines and distributions that have launches of a run, by run id."""
    found: dict[str, tuple[str, ...]] = {}
    for baseline in store.list_baselines():
        for run_id in baseline.sessions or (baseline.run_id,):
            found[run_id] = (*found.get(run_id, ()), baseline.name)
    for distribution in DistributionStore(store.archive).headers():
        for run_id in distribution.run_ids:
            found[run_id] = (*found.get(run_id, ()), distribution.name)
    return found
