"""Plants that are measured: launches, through the runner of `ssdbench run`, of a copy of the source with a fault."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median

from ssdbench.analysis.selftest import smallest_changes
from ssdbench.errors import EnvironmentLacksError, ExitCode
from ssdbench.harness import planted_source
from ssdbench.harness.planted_source import Fault
from ssdbench.harness.process import ProcessTree, worker_environment
from ssdbench.harness.run_setup import RunSetup
from ssdbench.schema.case import Case
from ssdbench.schema.launch_rules import usable
from ssdbench.schema.record import Record, Run
from ssdbench.schema.selftest import Demand, Found
from ssdbench.schema.text import percent
from ssdbench.schema.verdict import Status
from ssdbench.workflows.display import NoObserver, Quiet
from ssdbench.workflows.selftest.bench import Bench, Subject
from ssdbench.workflows.selftest.plants import NotPlantedError, Plant, UndecidedError, judged

A_A = "a-a"
_LAUNCHES = 2
_BUSY = "import time\nend = time.monotonic() + 600\nwhile time.monotonic() < end: pass"
_SPARE_CORES, _SHARE_OF_ALL = 0.3, 0.75
"""What others may keep busy beyond what they did before, and of all CPUs; one that never waits keeps one busy."""


@dataclass(slots=True, kw_only=True)
class Launched:
    """The plants of a subject; `same` is its run of pairs of one build once that is measured.

    `margins` are relative changes in ascending order: those that are left, of which the first is asked for.
    """

    bench: Bench
    subject: Subject
    margins: tuple[float, ...]
    same: Run | None = None
    _references: dict[int, Run] = field(default_factory=dict)

    @property
    def margin(self) -> float:
        """The relative change that is asked for: twice as much has to be found."""
        return self.margins[0]

    def plants(self) -> Iterator[Plant]:
        """All of them; the first one measures what the others are compared with, those of one launch come next."""
        nothing = Demand(statuses=(Status.UNCHANGED,), exit_codes=(ExitCode.OK,))
        yield self._plant(A_A, "none, both arms are the same build", nothing, self._measure_same)
        yield self._failing("nan", "not_finite", "the loss is not a number", "the loss of step")
        yield self._failing("out-of-memory", "out_of_memory", "a step asks for all memory", "memory")
        yield self._failing("hang", "hang", "a step never ends", "not done after")
        if self.subject.name == "pace":
            disturbed = Demand(
                statuses=(Status.INCONCLUSIVE,),
                exit_codes=(ExitCode.INCONCLUSIVE,),
                validity="invalid",
                says=("other processes kept",),
            )
            yield self._plant(
                "other-process", "another process keeps a core busy during a launch", disturbed, self._disturb
            )
        more = f"{200 * self.margin:g}%"
        yield self._slower("step", f"a step takes {more} longer")
        yield self._slower("input", f"a batch comes {more} of a step later")
        yield self._slower("one-rank", f"a step of one of two ranks takes {more} longer", ranks=2)

    def _plant(self, name: str, fault: str, demand: Demand, find: Callable[[], Found]) -> Plant:
        return Plant(name=name, subject=self.subject.name, fault=fault, way="processes", demand=demand, find=find)

    def _slower(self, name: str, fault: str, ranks: int = 1) -> Plant:
        # Only after the first launch is it known how the workload calls the phases of its step.
        phase = "fetch" if name == "input" else self._first_phase()
        says = [f"{phase} has +"]
        if ranks > 1 and self.subject.name == "pace":  # the ranks of others wait for each other in every step
            says.append("rank 1 is the slowest")
        demand = Demand(statuses=(Status.REGRESSED,), exit_codes=(ExitCode.REGRESSED,), says=tuple(says))
        planted = planted_source.Plant(
            fault="input" if name == "input" else "step",
            share=2 * self.margin,
            rank=None if ranks == 1 else ranks - 1,
        )
        return self._plant(name, fault, demand, partial(self._measure_slower, planted, ranks))

    def _failing(self, name: str, fault: Fault, what: str, words: str) -> Plant:
        # What does not fit into a GPU's memory any more counts as a regression.
        on_gpu = fault == "out_of_memory" and self._case().device == "cuda"
        demand = Demand(
            statuses=(Status.NO_LONGER_FITS if on_gpu else Status.FAILED,),
            exit_codes=(ExitCode.REGRESSED if on_gpu else ExitCode.CASE_FAILED,),
            validity="failed",
            says=(words,),
        )
        return self._plant(name, what, demand, partial(self._measure_failing, fault))

    def _measure_same(self) -> Found:
        """Measure one build twice, with a larger margin for as long as launches differ too much for the one before."""
        too_small: list[str] = []
        while True:
            setup = self.bench.setup(self.subject.suite(self.margin), in_pairs=True)
            self.same = self.bench.measure(setup).run
            found = judged(self.bench, self.same, None)
            needed = _needed_margin(self.same)
            enough = tuple(margin for margin in self.margins if margin >= needed) or self.margins[-1:]
            if found.status is not Status.INCONCLUSIVE or enough == self.margins or not self.bench.has_time:
                before = f"launches differ too much for {', '.join(too_small)}; " if too_small else ""
                return self._decided(replace(found, said=before + found.said), self.same)
            too_small.append(f"{100 * self.margin:g}%")
            self.margins = enough

    def _decided(self, found: Found, pairs: Run | None) -> Found:
        """What came, unless it is inconclusive because launches differ too much: then no rule is to blame.

        Raises:
            UndecidedError: the launches of these pairs differ too much for the margin.
        """
        needed = _needed_margin(pairs)
        # Of launches that the budget cut short, their number is to blame.
        if found.status is Status.INCONCLUSIVE and needed > self.margin and self.bench.has_time:
            raise UndecidedError(
                f"launches differ too much on this machine for a margin of {100 * self.margin:g}%: with this spread a "
                f"change under {percent(needed)} can go unnoticed"
            )
        return found

    def _measure_slower(self, planted: planted_source.Plant, ranks: int) -> Found:
        pairs = self.same
        if self.subject.is_in_pairs:
            run = pairs = self.bench.measure(self._setup(ranks, planted, in_pairs=True)).run
            baseline = None
        else:
            baseline = self._reference(ranks).header.run_id
            run = self.bench.measure(self._setup(ranks, planted)).run
        slow = tuple(record for record in run.records if record.arm == "candidate")
        found = self._decided(judged(self.bench, run, baseline, slow), pairs)
        return replace(found, said="; ".join(filter(None, [found.said, _slowest_rank(slow)])))

    def _measure_failing(self, fault: Fault) -> Found:
        timeout = self._timeout_seconds() if fault == "hang" else self._case().protocol.timeout_seconds
        suite = self.subject.suite(self.margin, timeout_seconds=timeout)
        run = self.bench.measure(self.bench.setup(suite, planted_source.Plant(fault=fault))).run
        return judged(self.bench, run, self._reference(1).header.run_id)

    def _disturb(self) -> Found:
        limit = _limit_below_a_busy_core(self._reference(1))
        if limit is None:
            raise NotPlantedError("this system does not say how busy other processes are")
        suite = self.subject.suite(self.margin, cores=limit)
        setup = self.bench.setup(suite)
        observer = _Disturbance(setup.worker.executable, self.bench.folder / "disturbance.log")
        try:
            run = self.bench.measure(setup, Quiet(observer)).run
        finally:
            observer.end()
        found = judged(self.bench, run, self._reference(1).header.run_id)
        reasons = dict.fromkeys(record.invalid_reason for record in run.records if record.invalid_reason)
        return replace(found, said="; ".join([found.said, *reasons]))

    def _setup(self, ranks: int, planted: planted_source.Plant | None, *, in_pairs: bool = False) -> RunSetup:
        suite = self.subject.suite(self.margin, ranks=ranks, launches=_LAUNCHES)
        try:
            return self.bench.setup(suite, planted, in_pairs=in_pairs)
        except EnvironmentLacksError as error:
            if ranks == 1:
                raise
            raise NotPlantedError(str(error)) from None

    def _reference(self, ranks: int) -> Run:
        """The launches without a fault: those of the run of one build, or for more ranks such as are measured now."""
        if ranks == 1:
            if self.same is None:
                raise NotPlantedError(f"{A_A} was not measured, with which it is compared")
            return self.same
        if ranks not in self._references:
            self._references[ranks] = self.bench.measure(self._setup(ranks, None)).run
        return self._references[ranks]

    def _case(self) -> Case:
        (planned,) = self.bench.setup(self.subject.suite(self.margin)).plan.cases
        return planned.case

    def _first_phase(self) -> str:
        for record in usable(self.same.records if self.same else ()):
            if record.measurement and len(record.measurement.phases) > 1:
                return record.measurement.phases[1].name
        return "step"

    def _timeout_seconds(self) -> float:
        seconds = [record.launch_seconds or 0.0 for record in usable(self._reference(1).records)]
        return 2 * median(seconds) + 2 if seconds else 60.0


class _Disturbance(NoObserver):
    """Keeps a core busy during the first launch that it observes."""

    def __init__(self, python: str, log: Path) -> None:
        self._python, self._log = python, log
        self._process: ProcessTree | None = None
        self._is_done = False

    def launch_started(self, case: Case, name: str) -> None:  # noqa: ARG002  # as the protocol has it
        if not self._is_done:
            self._process = ProcessTree([self._python, "-c", _BUSY], worker_environment({}), self._log)

    def launch_finished(self, record: Record, name: str) -> None:  # noqa: ARG002
        self.end()

    def end(self) -> None:
        """End the process, if it runs."""
        self._is_done = True
        if self._process is not None:
            self._process.stop()
            self._process = None


def _limit_below_a_busy_core(run: Run) -> float | None:
    """A limit that one more busy process exceeds, however busy the machine was; None where that is not known."""
    nodes = [node for record in usable(run.records) if record.measurement for node in record.measurement.node_cpus]
    before = [node.foreign_cores for node in nodes if node.foreign_cores is not None]
    if not before:
        return None
    return min(min(before) + _SPARE_CORES, _SHARE_OF_ALL * min(node.cpu_count for node in nodes))


def _needed_margin(pairs: Run | None) -> float:
    """The smallest change that the pairs of a run can show; 0 where they cannot say."""
    found = smallest_changes(pairs, pairs.header.settings, 0.0) if pairs else []
    return max((change.measured for change in found), default=0.0)


def _slowest_rank(records: tuple[Record, ...]) -> str:
    """A sentence on the rank whose timed region took longest in most launches of several ranks."""
    slowest = [
        max(range(len(seconds)), key=seconds.__getitem__)
        for record in usable(records)
        if record.measurement and len(seconds := record.measurement.rank_wall_seconds) > 1
    ]
    return f"rank {max(slowest, key=slowest.count)} is the slowest" if slowest else ""
