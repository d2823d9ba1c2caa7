"""Changes and how they are judged: metrics with their direction, baselines, verdicts, comparisons."""

from __future__ import annotations

from dataclasses import field
from enum import Enum

from ssdbench.compatibility import dataclass
from ssdbench.schema.acceptance import Acceptance, Against
from ssdbench.schema.environment import Hardware, Host
from ssdbench.schema.manifest import ContentChanges
from ssdbench.schema.record import Dataset, Record, RunOptions
from ssdbench.schema.settings import Settings
from ssdbench.schema.suite_change import SuiteChange
from ssdbench.schema.waivers import WaiverState, WaiverUse


class Status(str, Enum):
    """The status of a case. UNCHANGED, IMPROVED, FITS_NOW and WAIVED are passes.

    Of a case that is out of the GPU's memory in every launch: DOES_NOT_FIT where that was accepted, NO_LONGER_FITS
    where it was measured before; FITS_NOW where it is measured and did not fit before. WAIVED is a regression that
    somebody agreed to tolerate for a time (docs/waivers.md). SCREENED is a case that a nightly run did not measure in
    pairs, because its stored sessions exclude a slowdown of the margin, if less surely than a verdict does: no pass,
    and nothing to act on. VANISHED is a case that the baseline has and the plan of the run lacks, LEFT_OUT one that it
    lacks because others were asked for with --case.
    """

    UNCHANGED = "unchanged"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"
    NO_BASELINE = "no_baseline"
    STALE = "stale"
    INCOMPARABLE = "incomparable"
    NOT_RUN = "not_run"
    SKIPPED = "skipped"
    DOES_NOT_FIT = "does_not_fit"
    FITS_NOW = "fits_now"
    NO_LONGER_FITS = "no_longer_fits"
    VANISHED = "vanished"
    WAIVED = "waived"
    SCREENED = "screened"
    LEFT_OUT = "left_out"


class Mode(str, Enum):
    """How launches are compared, depending on how they were measured: see docs/verdicts.md."""

    INTERLEAVED = "interleaved"
    SINGLE_SHOT = "single-shot"
    STORED = "stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement of one metric of one case; every change is relative to the baseline (+0.02 is 2 % more).

    `low` and `high` bound the change with a confidence of 1 - alpha (99 %); against fewer stored sessions than
    `minimum_sessions` they are None, since the drift between sessions is not known. The launches are those that the
    rule used; `confirm_pairs` of them are of the stage `confirm`; if there are any, the figures rest on them alone.
    `smallest_detectable_change` is what the rule would have told from no change at this spread with the power of the
    settings, `smallest_called_change` what it would have called regressed or improved, at least the margin;
    `launches_needed` (per side, interleaved) what it would take to decide on a change of the margin; None where the
    data cannot say. `mode` is None where nothing could be judged.
    """

    status: Status
    metric: str
    sentence: str
    settings: Settings
    mode: Mode | None = None
    baseline_value: float | None = None
    candidate_value: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    baseline_launches: int = 0
    candidate_launches: int = 0
    confirm_pairs: int = 0
    smallest_detectable_change: float | None = None
    smallest_called_change: float | None = None
    launches_needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEffect:
    """How much slower the second launch of a pair is than the first, whichever build it measured (+0.01 is 1 %).

    `low` and `high` bound it with a confidence of 1 - alpha (99 %); `pairs` are those that it rests on, of `cases`
    cases. `sentence` says what it means and what to do; it is empty where the effect is small or may be chance.
    """

    slower: float
    low: float
    high: float
    pairs: int
    cases: int = 1
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWaiver:
    """What the waivers that match a case say of it.

    `judged` is the status by the verdict rule alone; that of the verdict differs from it where `state` is "used": it is
    then WAIVED, and everything else of the verdict stays. `entries` are the waivers that match, by their place in the
    file; of several the smaller ceiling and the earlier day count. `worse_by` is the bad end of the interval (0.12 is
    12 % worse), which must not pass the ceiling; None where the case was not compared. `sentence` says all that in
    words, empty where the waivers have nothing to do.
    """

    state: WaiverState
    judged: Status
    entries: tuple[int, ...]
    ceiling: float
    expires: str
    worse_by: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVerdict:
    """A case and what is said of it; `notes` tell which launches were left out of the judgement, and why.

    `explanation` says in which phase of a step a change lies, empty where nothing changed or the phases do not show it.
    `order_effect` is None where the launches were not measured in pairs, or are too few to show it; `waiver` is None
    where no waiver matches the case.
    """

    case_key: str
    title: str
    verdict: Verdict
    notes: tuple[str, ...] = ()
    explanation: str = ""
    order_effect: OrderEffect | None = None
    waiver: CaseWaiver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not the same on both sides: a version, a driver, a GPU setting, a variable ("-" is absent)."""

    name: str
    baseline: str
    candidate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """A metric that is not gated, of one case: its values, and the relative change with its interval (99 %).

    None if the launches cannot show it: too few, or a value that has no ratio (a share of exactly zero).
    """

    case_key: str
    title: str
    metric: str
    baseline_value: float | None
    candidate_value: float | None
    change: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Creep:
    """How far a run is from older results of a baseline: its anchor, or its last release.

    `baseline` is the name of the baseline, `run_id` and `measured_at` those of the older results. Of `compared_cases`
    that both have, `worse` are worse by more than the margin (worst first, each with the older value as its baseline);
    `allowed_cases` more are worse as well, but were accepted so, and `waived` are worse as far as a waiver tolerates.
    `better` are the titles of those that are better.
    """

    against: Against
    baseline: str
    run_id: str
    measured_at: str
    compared_cases: int
    worse: tuple[CaseVerdict, ...] = ()
    allowed_cases: int = 0
    better: tuple[str, ...] = ()
    waived: tuple[CaseVerdict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All cases of a run against a baseline (or against another run), worst first.

    `baseline` is a baseline's name or a run id; `baseline_run_id` is the run it was accepted from, None where there
    is no baseline for this hardware. `differences` lists what else changed between the two sides, `ungated` the metrics
    on which no verdict rests, where they were asked for. `order_effect` is that of all pairs of the run. `creep` has
    the distance from older results, where there are any; `suite` the change of all cases together, where both builds
    were measured in one session. `waivers` are those that hold for this hardware, with what became of each. `contents`
    is what changed inside of the images, None where the sides are no images, or what these contain was not kept.
    """

    schema_version: int
    run_id: str
    hardware_key: str
    baseline: str
    baseline_run_id: str | None
    settings: Settings
    cases: tuple[CaseVerdict, ...]
    differences: tuple[Difference, ...] = ()
    ungated: tuple[MetricChange, ...] = ()
    order_effect: OrderEffect | None = None
    creep: tuple[Creep, ...] = ()
    suite: SuiteChange | None = None
    waivers: tuple[WaiverUse, ...] = ()
    contents: ContentChanges | None = None


OWN_BASELINE_ARM = "the interleaved baseline"
"""The value of `Comparison.baseline` for a run that was interleaved with its baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFigure:
    """The gated metric of one case by itself: the trimmed mean of its launches, as in verdicts, and the extremes."""

    case_key: str
    title: str
    metric: str
    value: float
    low: float
    high: float
    launches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineHeader:
    """First line of a baseline's file: its name, why it was accepted, and what is needed to measure it again.

    `run_id` is the accepted run, of several the newest; `sessions` are all of them, oldest first (empty: `run_id`
    alone). `options`, `dataset`, `host`, `suite` and `seed` are those of `run_id`. `acceptances` and `launches` count
    the lines that follow, so that a file that lost some is noticed (None: written before they were counted).
    """

    schema_version: int
    name: str
    reason: str
    accepted_at: str
    run_id: str
    measured_at: str
    suite: str
    seed: int
    hardware: Hardware
    host: Host
    sessions: tuple[str, ...] = ()
    options: RunOptions = field(default_factory=RunOptions)
    dataset: Dataset | None = None
    acceptances: int = 0
    launches: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", self.options.recorded())


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Accepted launches with all their raw samples, in the order of case key, session, stage and launch.

    `history` has one entry for every acceptance under this name, oldest first; the last one is that of these launches.
    An anchor, the oldest launches kept of each case, has the same form and no history.
    """

    header: BaselineHeader
    records: tuple[Record, ...]
    history: tuple[Acceptance, ...] = ()
