"""Loads a run, finds what it is compared with, and judges it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date

from ssdbench.analysis.nightly import merge, rests_on_pairs
from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.analysis.verdicts.arms import last_attempts, split_arms
from ssdbench.analysis.verdicts.ungated import ungated_changes
from ssdbench.analysis.waivers import apply_waivers, waived_creep
from ssdbench.errors import ExitCode, StoreError, StoreUnreachableError
from ssdbench.harness.stores.nightly_results import NightlyResults
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.harness.waivers import read_waivers
from ssdbench.schema.record import Record, Run, RunHeader
from ssdbench.schema.settings import Settings
from ssdbench.schema.times import utc_today
from ssdbench.schema.verdict import OWN_BASELINE_ARM, Baseline, Comparison
from ssdbench.schema.waivers import Waiver
from ssdbench.workflows.creep import find_creep
from ssdbench.workflows.display import Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdicts on a run, and what it was compared with.

    `reference` is None where the run was judged against its own baseline arm, or where there is no such baseline yet.
    Of a run of the whole suite and the pairs that follow it (`ssdbench nightly`), which are judged together, `run` is
    the former, and `merged_sides` are the launches on which the verdicts rest.
    """

    run: Run
    comparison: Comparison
    reference: Baseline | Run | None
    merged_sides: tuple[Baseline | Run, Run] | None = None

    @property
    def sides(self) -> tuple[Baseline | Run | None, Run]:
        """The launches that were compared: of the baseline, of the candidate."""
        if self.merged_sides is not None:
            return self.merged_sides
        if self.comparison.baseline == OWN_BASELINE_ARM:
            return split_arms(self.run)
        return self.reference, last_attempts(self.run)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code for these verdicts; `analysis.verdicts.compare` has the order of precedence."""
        return comparisons.exit_code(self.comparison)

    def with_creep(self, store: Store) -> "Judgement":
        """The same, with the distance of the run from older results of the baseline.

        Raises:
            StoreError: those results cannot be read.
        """
        found = find_creep(store, last_attempts(self.run), self.reference, self.comparison.settings)
        waivers = {case.case_key: case.waiver for case in self.comparison.cases if case.waiver}
        return replace(self, comparison=replace(self.comparison, creep=waived_creep(found, waivers)))

    def with_waivers(self, waivers: Iterable[Waiver], today: date) -> "Judgement":
        """The same, with known regressions waived; `today` is a day in UTC."""
        return replace(self, comparison=apply_waivers(self.comparison, waivers, today))

    def with_ungated(self) -> Comparison:
        """The comparison, with the metrics that are not gated as well."""
        baseline, candidate = self.sides
        changes = ungated_changes(self.comparison, baseline.records if baseline else (), candidate.records)
        return replace(self.comparison, ungated=changes)


def judge_run(
    store: Store, run: Run, baseline: str | None = None, settings: Settings | None = None, today: date | None = None
) -> Judgement:
    """Judge a whole run (as `load_whole` returns it) against a baseline of its hardware, or another run.

    The waivers of the store are in force, but not on a build that was measured against itself.

    Args:
        store: where the baseline or the other run is.
        run: the run, with both its arms where it has two.
        baseline: name of a baseline, or a run as `Store.load` takes it; None: the run's own baseline arm, or what the
            run was measured for, or the default baseline.
        settings: of the verdict rule; None: those of the run.
        today: the day on which waivers must not have expired, in UTC; None: the present one.

    Raises:
        StoreError: `baseline` is neither a baseline nor a run.
        UsageError: the file of waivers cannot be read.
    """
    waivers = read_waivers(store.waivers_file)
    judgement = _judge(store, run, baseline, settings or run.header.settings)
    if is_against_itself(run.header) and baseline is None:
        return judgement  # no regression is known of equal builds: a change is a false alarm
    return judgement.with_waivers(waivers, today or utc_today())


def with_waivers(store: Store, comparison: Comparison, today: date | None = None) -> Comparison:
    """A comparison that `judge_run` did not make, with the waivers of the store in force.

    Raises:
        UsageError: the file of waivers cannot be read.
    """
    return apply_waivers(comparison, read_waivers(store.waivers_file), today or utc_today())


def _judge(store: Store, run: Run, baseline: str | None, settings: Settings) -> Judgement:
    stage = run.header.nightly
    if run.header.baseline_arm is not None and baseline is None:
        pairs = Judgement(run=run, comparison=comparisons.compare_arms(run, settings), reference=None)
        return pairs if stage is None or stage.follows is None else _merged(store, pairs, stage.follows, settings)
    if stage is not None and baseline is None and (followed_by := _pairs_of(store, run)) is not None:
        return _judge(store, followed_by, None, settings)
    wanted = baseline or (stage.baseline if stage else None) or run.header.options.until_decided or DEFAULT_BASELINE
    reference = find_reference(store, run.header.hardware.key, wanted)
    name = reference.header.run_id if isinstance(reference, Run) else wanted
    comparison = comparisons.compare(last_attempts(run), reference, name, settings)
    return Judgement(run=run, comparison=comparison, reference=reference)


def _pairs_of(store: Store, whole: Run) -> Run | None:
    """The pairs that followed this run of a whole suite; None if there are none."""
    header = whole.header
    result = NightlyResults(store.archive).of_run(header.hardware.key, header.run_id)
    if result is None or result.pairs_run_id is None:
        return None
    try:
        return store.load(result.pairs_run_id)
    except StoreUnreachableError:
        raise
    except StoreError as error:
        raise StoreError(
            f"the verdicts on run {header.run_id} rest on the pairs of run {result.pairs_run_id}: {error}"
        ) from None


def _merged(store: Store, pairs: Judgement, whole_id: str, settings: Settings) -> Judgement:
    """The verdicts on a run of the whole suite, those on its nominated cases by the pairs that follow it."""
    header, stage = pairs.run.header, pairs.run.header.nightly
    assert stage is not None
    try:
        whole = store.load(whole_id)
    except StoreUnreachableError:
        raise
    except StoreError as error:
        raise StoreError(f"run {header.run_id} has the pairs that follow run {whole_id}: {error}") from None
    first = _judge(store, whole, stage.baseline, settings)
    comparison = merge(first.comparison, pairs.comparison, stage.nominated, header.options.budget)
    fresh = {
        case.case_key for case in pairs.comparison.cases if case.case_key in stage.nominated and rests_on_pairs(case)
    }
    baseline, candidate = split_arms(pairs.run)
    before = first.reference or baseline
    sides = (
        replace(before, records=_in_place_of(before.records, baseline.records, fresh)),
        replace(candidate, records=_in_place_of(last_attempts(whole).records, candidate.records, fresh)),
    )
    return replace(first, comparison=comparison, merged_sides=sides)


def _in_place_of(records: Iterable[Record], others: Iterable[Record], keys: Collection[str]) -> tuple[Record, ...]:
    """The records, of these cases the others."""
    kept = [record for record in records if record.case.key not in keys]
    return (*kept, *(record for record in others if record.case.key in keys))


def find_reference(store: Store, hardware_key: str, name: str) -> Baseline | Run | None:
    """The baseline or run of this name; of an interleaved run the candidate's launches.

    None where there is no such baseline for this hardware yet.

    Raises:
        StoreError: `name` is neither a baseline nor a run.
    """
    reference = store.find_reference(hardware_key, name)
    return last_attempts(reference) if isinstance(reference, Run) else reference


def is_against_itself(header: RunHeader) -> bool:
    """Whether both arms of a run were the build of the baseline (`ssdbench nightly --a-a`)."""
    return header.nightly is not None and header.nightly.against_itself


def adjust_settings(settings: Settings, margin: float | None, maximum_age_days: int | None) -> Settings:
    """The settings with these values in place of their own; None keeps a setting."""
    return replace(
        settings,
        margin=settings.margin if margin is None else margin,
        maximum_age_days=settings.maximum_age_days if maximum_age_days is None else maximum_age_days,
    )


def load_run(store: Store, name: str, say: Say) -> Run:
    """A stored run, of an interleaved one the candidate's launches; replaced launches are omitted.

    Args:
        store: where the run is.
        name: a run id, its unique beginning, the path of a .jsonl file, or `latest`.
        say: hears of a last record that is cut off.

    Raises:
        StoreError: no such run, several of them, or a line that cannot be read.
    """
    return last_attempts(load_whole(store, name, say))


def load_readable(store: Store, run_ids: Iterable[str], say: Say) -> list[Run]:
    """These runs, whole; one that cannot be read is named and passed over.

    Raises:
        StoreUnreachableError: the store does not answer.
    """
    found = []
    for run_id in run_ids:
        try:
            found.append(load_whole(store, run_id, say))
        except StoreUnreachableError:
            raise
        except StoreError as error:
            say(f"{error} (passed over)")
    return found


def load_whole(store: Store, name: str, say: Say) -> Run:
    """A stored run with both its arms, and with the launches that others have replaced; arguments as `load_run`.

    Raises:
        StoreError: as `load_run`.
    """
    run = store.load(name)
    if run.torn:
        say(f"the last record of run {run.header.run_id} is incomplete and was omitted")
    return run
