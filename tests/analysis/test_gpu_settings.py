"""Launches under unlike settings of their GPUs are never judged, and the verdict says which, and what to do."""

from dataclasses import replace

import pytest

from ssdbench.analysis.differences import comparability_issues
from ssdbench.analysis.verdicts.compare import compare
from ssdbench.harness.stores.archive import Lines
from ssdbench.harness.stores.codec import stored
from ssdbench.harness.stores.documents import run_of
from ssdbench.schema.environment import GpuSettings, GpuState, gpu_settings
from ssdbench.schema.launch_rules import with_gpu_settings
from ssdbench.schema.record import Record, Run
from ssdbench.schema.settings import DEFAULT_SETTINGS
from ssdbench.schema.verdict import Status, Verdict
from tests.builders import GPU_HARDWARE, GPU_SECONDS, HOST, a_case, a_measurement, a_run, gpu_samples, stored_sessions

CASE = a_case(device="cuda")
PLAIN = GpuSettings(power_limit_watts=700.0, ecc=True, sm_clock_mhz=1980, memory_clock_mhz=2619)
LOCKED, FREE, POWER_CAPPED, BOTH = (0x2,), (0x0,), (0x4,), (0x6,)


def gpu_run(*settings: GpuSettings, run_id: str = "run-1", seconds: float = 0.1) -> Run:
    """Three launches on a GPU with these settings, which take so long a step."""
    run = a_run((CASE, (seconds,) * 3), run_id=run_id, hardware=GPU_HARDWARE)
    return replace(run, records=tuple(replace(record, gpu_settings=settings) for record in run.records))


def seen(run: Run, **samples: object) -> Run:
    """The run with what was seen of its GPU; its timed region lies within the samples."""
    gpus = (gpu_samples(**samples),)
    measured = [(record, record.measurement) for record in run.records]
    return replace(run, records=tuple(replace(r, measurement=replace(m, gpus=gpus)) for r, m in measured if m))


def judged(run: Run, reference: Run) -> Verdict:
    (case,) = compare(run, stored_sessions(reference), "main", DEFAULT_SETTINGS).cases
    return case.verdict


def test_equal_settings_are_compared():
    assert judged(gpu_run(PLAIN), gpu_run(PLAIN, run_id="run-0")).status is Status.UNCHANGED


@pytest.mark.parametrize(
    ("change", "words", "remedy"),
    [
        ({"power_limit_watts": 400.0}, "GPU power limit 700 W in main and 400 W here", "nvidia-smi -i GPU -pl WATTS"),
        ({"ecc": False}, "GPU ECC on in main and off here", "nvidia-smi -i GPU -e 1"),
        ({"sm_clock_mhz": 1410}, "GPU SM clock 1980 MHz in main and 1410 MHz here", "nvidia-smi -i GPU -lgc MHZ"),
        ({"memory_clock_mhz": 1593}, "GPU memory clock 2619 MHz in main and 1593 MHz here", "-lmc MHZ"),
        ({"mps_share_percent": 50.0}, "MPS share all in main and 50 % here", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"),
    ],
)
@pytest.mark.parametrize("seconds", [0.1, 0.2])
def test_a_setting_that_differs_forbids_the_comparison_and_names_values_and_remedy(
    change: dict[str, object], words: str, remedy: str, seconds: float
):
    other = replace(PLAIN, **change)  # type: ignore[arg-type]
    found = judged(gpu_run(other, seconds=seconds), gpu_run(PLAIN, run_id="run-0"))
    assert found.status is Status.INCOMPARABLE
    assert found.sentence.startswith(f"not comparable: {words}: ")
    assert remedy in found.sentence
    assert found.sentence.endswith("or accept a baseline under this setting (`baseline accept --name`)")


def test_one_capped_gpu_of_several_forbids_the_comparison_as_well():
    capped = replace(PLAIN, power_limit_watts=400.0)
    found = judged(gpu_run(PLAIN, capped), gpu_run(PLAIN, run_id="run-0"))
    assert "GPU power limit 700 W in main and 400 W and 700 W here" in found.sentence


@pytest.mark.parametrize("settings", [(), (GpuSettings(),)])
def test_what_is_not_known_matches_any_setting(settings: tuple[GpuSettings, ...]):
    assert judged(gpu_run(PLAIN), gpu_run(*settings, run_id="run-0")).status is Status.UNCHANGED


def test_fewer_multiprocessors_are_another_gpu_whatever_limits_them():
    run, reference = gpu_run(PLAIN), gpu_run(PLAIN, run_id="run-0")
    fewer, all_of_them = (a_measurement(case=CASE, gpu_multiprocessors=(count,)) for count in (66, 132))
    here = replace(run, records=tuple(replace(record, measurement=fewer) for record in run.records))
    there = replace(reference, records=tuple(replace(record, measurement=all_of_them) for record in reference.records))
    assert judged(here, there).status is Status.INCOMPARABLE
    assert "GPU multiprocessors 132 in main and 66 here" in judged(here, there).sentence
    assert judged(here, reference).status is Status.UNCHANGED  # an earlier version did not record them


def test_a_launch_that_mps_serves_is_not_compared_with_one_that_it_does_not():
    plain, served, unknown = (
        seen(gpu_run(PLAIN, run_id=f"run-{number}"), mps=mps) for number, mps in enumerate((False, True, None))
    )
    assert "MPS off in main and on here: start or end MPS" in judged(served, plain).sentence
    assert judged(served, plain).status is Status.INCOMPARABLE
    assert judged(served, unknown).status is Status.UNCHANGED


def test_a_share_of_mps_has_no_effect_where_mps_did_not_serve_the_launch():
    asked = seen(gpu_run(replace(PLAIN, mps_share_percent=50.0)), mps=False)
    assert judged(asked, gpu_run(PLAIN, run_id="run-0")).status is Status.UNCHANGED


def clocked(masks: tuple[int, ...], mhz: int, run_id: str = "run-1") -> Run:
    """A run whose GPU does not report its settings, with these reasons in turn at each sample."""
    number = len(GPU_SECONDS)
    reasons = tuple(masks[at % len(masks)] for at in range(number))
    return seen(gpu_run(GpuSettings(), run_id=run_id), throttle_reasons=reasons, sm_clock_mhz=(mhz,) * number)


@pytest.mark.parametrize(
    ("here", "there", "values"),
    [
        ((LOCKED, 1410), (FREE, 1980), ("none", "1410 MHz")),
        ((LOCKED, 1410), (LOCKED, 1200), ("1200 MHz", "1410 MHz")),
        ((LOCKED, 1410), (LOCKED, 1395), None),  # the neighbouring clock of one lock
        ((FREE, 1755), (FREE, 1980), None),  # as warm as the GPU is
        ((LOCKED, 1410), (POWER_CAPPED, 1980), ("none", "1410 MHz")),
        ((LOCKED, 1410), (BOTH, 1200), None),  # held by the power limit: the lock does not show
        (((0x2, 0x0), 1410), (FREE, 1980), None),  # in part of the region only
    ],
)
def test_a_lock_that_only_its_effect_shows_is_told_from_none_and_from_another(
    here: tuple[tuple[int, ...], int], there: tuple[tuple[int, ...], int], values: tuple[str, str] | None
):
    run, reference = clocked(*here), clocked(*there, run_id="run-0")
    found = [(item.baseline, item.candidate) for item in comparability_issues(reference.records, run.records)]
    assert found == ([values] if values else [])
    if values:
        assert "GPU clock lock" in judged(run, reference).sentence
        assert "`nvidia-smi -i GPU -lgc MHZ`" in judged(run, reference).sentence


GPU = GpuState(index=0, uuid="GPU-0", model="H100", memory_bytes=None, power_limit_watts=400.0, ecc=True)


def test_settings_are_those_of_the_gpus_each_once_and_a_target_precedes_a_setting():
    set_clock = replace(GPU, sm_application_clock_mhz=1980, memory_application_clock_mhz=2619)
    locked = replace(set_clock, sm_target_clock_mhz=1410)
    assert gpu_settings([set_clock, replace(set_clock, index=1, uuid="GPU-1"), locked], {}) == (
        GpuSettings(power_limit_watts=400.0, ecc=True, sm_clock_mhz=1980, memory_clock_mhz=2619),
        GpuSettings(power_limit_watts=400.0, ecc=True, sm_clock_mhz=1410, memory_clock_mhz=2619),
    )


@pytest.mark.parametrize(("text", "share"), [("50", 50.0), ("12.5", 12.5), ("100", None), ("0", None), ("half", None)])
def test_the_share_of_mps_is_read_from_its_variable(text: str, share: float | None):
    (found,) = gpu_settings([GPU], {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": text})
    assert found.mps_share_percent == share


def test_a_stored_run_of_an_earlier_version_has_the_settings_of_its_header():
    run = a_run((CASE, (0.1,)), hardware=GPU_HARDWARE, host=replace(HOST, gpus=(GPU,)))
    on_cpu = a_run((a_case(), (0.1,)), host=replace(HOST, gpus=(GPU,)))

    def read_again(run: Run) -> Record:
        lines = [stored(line) for line in (run.header, *run.records)]
        return run_of(Lines(lines=lines, source="run", name="")).records[0]

    assert read_again(run).gpu_settings == (GpuSettings(power_limit_watts=400.0, ecc=True),)
    assert read_again(on_cpu).gpu_settings == ()


def test_a_launch_has_the_settings_of_the_gpu_that_was_watched_and_not_of_the_first():
    host = replace(HOST, gpus=(GPU, replace(GPU, index=1, uuid="GPU-1", power_limit_watts=700.0)))
    (record,) = seen(a_run((CASE, (0.1,)), hardware=GPU_HARDWARE), uuid="GPU-1").records
    assert [gpu.power_limit_watts for gpu in with_gpu_settings(record, host).gpu_settings] == [700.0]
    (elsewhere,) = seen(a_run((CASE, (0.1,)), hardware=GPU_HARDWARE), uuid="GPU-of-a-node").records
    assert [gpu.power_limit_watts for gpu in with_gpu_settings(elsewhere, host).gpu_settings] == [400.0]
