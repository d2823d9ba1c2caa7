"""Plants that are altered records: copies of launches that were measured just before, of which the answer is known."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ssdbench.errors import ExitCode
from ssdbench.schema.case import Case
from ssdbench.schema.record import Arm, Run
from ssdbench.schema.selftest import Demand, Found
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status, Verdict
from ssdbench.workflows.judging import judge_run
from ssdbench.workflows.selftest.bench import Bench
from ssdbench.workflows.selftest.copies import Copies
from ssdbench.workflows.selftest.plants import NotPlantedError, Plant, judged

_CALM = 0.75
"""Half of the interval that the calm copies get, as a share of the margin: twice as wide it does not fit into it."""
_TRIAL = 0.1
"""The largest deviation of the copies by which the interval of the calm ones is found, as a share of the margin."""
_TWICE = (1.8, 2.2)
_CHANGED = 0.2
"""The least change between copies of sessions: well beyond what one build may drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered:
    """The plants in `copies`, None where nothing was measured that could be copied; `margin` is a relative change."""

    bench: Bench
    subject: str
    margin: float
    copies: Copies | None

    def plants(self) -> Iterator[Plant]:
        """All of them."""
        twice = f"{200 * self.margin:g}%"
        regressed = Demand(statuses=(Status.REGRESSED,), exit_codes=(ExitCode.REGRESSED,))
        yield self._plant(
            "pairs", f"in pairs, a step takes {twice} longer", replace(regressed, says=("fresh pair",)), self._pairs
        )
        yield self._plant(
            "reversed-slower",
            f"lower values are better, and they are {twice} higher",
            replace(regressed, says=("median step time",)),
            lambda: self._reversed("reversed-slower", 1 + 2 * self.margin),
        )
        yield self._plant(
            "reversed-faster",
            "lower values are better, and they are lower",
            Demand(statuses=(Status.IMPROVED,), exit_codes=(ExitCode.OK,), says=("lower",)),
            lambda: self._reversed("reversed-faster", 1 / (1 + 2 * self.margin)),
        )
        yield self._plant(
            "trend",
            "each launch of a run takes longer than the one before",
            Demand(
                statuses=(Status.UNCHANGED, Status.INCONCLUSIVE),
                exit_codes=(ExitCode.OK, ExitCode.INCONCLUSIVE),
                says=("the second launch of a pair is", "favours neither build"),
            ),
            self._trend,
        )
        inconclusive = Demand(statuses=(Status.INCONCLUSIVE,), exit_codes=(ExitCode.INCONCLUSIVE,))
        yield self._plant(
            "noise",
            "launches differ twice as much as would do for a verdict",
            replace(inconclusive, says=("neither within the margin", "the interval is twice as wide")),
            self._noise,
        )
        yield self._plant(
            "invalid",
            "the launches that are slower are invalid",
            replace(inconclusive, validity="invalid", says=("every launch is invalid",)),
            self._invalid,
        )
        yield from self._of_coverage()

    def _of_coverage(self) -> Iterator[Plant]:
        """Those in which a case has nothing to be compared with, or several answers at once."""
        gap = ExitCode.NOT_COVERED
        yield self._plant(
            "no-baseline", "there is no baseline", _only(Status.NO_BASELINE, gap, "no usable launch"), self._no_baseline
        )
        yield self._plant(
            "vanished", "the run does not plan a case", _only(Status.VANISHED, gap, "does not plan it"), self._vanished
        )
        yield self._plant(
            "other-hardware",
            "the launches are of other hardware",
            _only(Status.INCOMPARABLE, gap, "hardware"),
            self._other_hardware,
        )
        failed = replace(_only(Status.FAILED, ExitCode.CASE_FAILED, "launches failed"), validity="failed")
        yield self._plant(
            "failed-and-vanished",
            "a case failed, another is not planned",
            failed,
            lambda: self._several("failed-and-vanished", 1.0),
        )
        regressed = replace(_only(Status.REGRESSED, ExitCode.REGRESSED, "lower"), validity="failed")
        yield self._plant(
            "regressed-and-failed",
            "a case is slower, another failed, another is not planned",
            regressed,
            lambda: self._several("regressed-and-failed", 1 + self._session_change),
        )

    def _plant(self, name: str, fault: str, demand: Demand, find: Callable[[], Found]) -> Plant:
        return Plant(name=name, subject=self.subject, fault=fault, way="altered records", demand=demand, find=find)

    @property
    def _copies(self) -> Copies:
        if self.copies is None:
            raise NotPlantedError("no pairs of launches were measured that could be copied")
        return self.copies

    @property
    def _settings(self) -> Settings:
        return self._copies.run.header.settings

    @property
    def _session_change(self) -> float:
        return max(2 * self.margin, _CHANGED)

    def _slower_candidate(self, factor: float) -> Callable[[Arm, int], float]:
        return lambda arm, _place: factor if arm == "candidate" else 1.0

    def _judged(self, run: Run, baseline: Run | str | None = None) -> Found:
        name = baseline.header.run_id if isinstance(baseline, Run) else baseline
        return judged(self.bench, self.bench.keep(run), name)

    def _pairs(self) -> Found:
        slower = self._slower_candidate(1 + 2 * self.margin)
        return self._judged(self._copies.pairs("pairs", self._settings, slower))

    def _reversed(self, name: str, factor: float) -> Found:
        case = replace(self._copies.template.case, workload="infer")  # whose gated metric is a latency
        return self._judged(self._copies.pairs(name, self._settings, self._slower_candidate(factor), case))

    def _trend(self) -> Found:
        slope = 1 + self.margin / 2
        return self._judged(self._copies.pairs("trend", self._settings, lambda _arm, place: slope**place))

    def _noise(self) -> Found:
        copies, settings = self._copies, self._settings
        # Not of the measured spread: below the least that the rule believes, an interval has another width.
        spread = _TRIAL * settings.log_margin / copies.most_deviation
        trial = self._verdict_on(copies.first_pairs("noise-trial", settings, spread))
        spread *= _CALM * settings.log_margin / _half_width(trial)
        calm = self._verdict_on(copies.first_pairs("noise-before", settings, spread))
        noisy = self.bench.keep(copies.first_pairs("noise", settings, 2 * spread))
        ratio = _half_width(self._verdict_on(noisy)) / _half_width(calm)
        is_twice = calm.status is Status.UNCHANGED and _TWICE[0] < ratio < _TWICE[1]
        width = "twice" if is_twice else f"{ratio:.2f} times"
        said = f"before it was {calm.status.value}, and the interval is {width} as wide"
        found = judged(self.bench, noisy, None)
        return replace(found, said=f"{found.said}; {said}")

    def _verdict_on(self, run: Run) -> Verdict:
        return judge_run(self.bench.store, run).comparison.cases[0].verdict

    def _invalid(self) -> Found:
        copies, case = self._copies, self._copies.template.case
        reference = self.bench.keep(copies.sessions("invalid-reference", [(case, 1.0)]))
        run = copies.sessions("invalid", [(case, 1 + self._session_change)])
        reason = "other processes kept 1.00 cores busy (planted by the self-test)"
        records = tuple(replace(record, invalid_reason=reason) for record in run.records)
        return self._judged(replace(run, records=records), reference)

    def _no_baseline(self) -> Found:
        return self._judged(self._copies.sessions("no-baseline", [(self._copies.template.case, 1.0)]))

    def _vanished(self) -> Found:
        copies, (case, _, third) = self._copies, self._three_cases()
        reference = self.bench.keep(copies.sessions("vanished-reference", [(case, 1.0), (third, 1.0)]))
        return self._judged(copies.sessions("vanished", [(case, 1.0)]), reference)

    def _other_hardware(self) -> Found:
        copies, case = self._copies, self._copies.template.case
        reference = self.bench.keep(copies.sessions("hardware-reference", [(case, 1.0)]))
        there = copies.run.header.hardware
        other = replace(there, cpu_model=f"another {there.cpu_model}")
        return self._judged(copies.sessions("other-hardware", [(case, 1 + self._session_change)], other), reference)

    def _several(self, name: str, factor: float) -> Found:
        copies, (first, second, third) = self._copies, self._three_cases()
        cases = [(first, 1.0), (second, 1.0), (third, 1.0)]
        reference = self.bench.keep(copies.sessions(f"{name}-reference", cases))
        return self._judged(copies.sessions(name, [(first, factor), (second, None)]), reference)

    def _three_cases(self) -> tuple[Case, Case, Case]:
        case = self._copies.template.case
        return (
            case,
            replace(case, batch_size_per_gpu=case.batch_size_per_gpu + 1),
            replace(case, batch_size_per_gpu=case.batch_size_per_gpu + 2),
        )


def _only(status: Status, code: ExitCode, words: str) -> Demand:
    return Demand(statuses=(status,), exit_codes=(code,), says=(words,))


def _half_width(verdict: Verdict) -> float:
    """Half of the interval of a change, as a difference of logarithms."""
    if verdict.low is None or verdict.high is None:
        return math.inf
    return (math.log1p(verdict.high) - math.log1p(verdict.low)) / 2
