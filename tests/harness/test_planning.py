"""A plan has the cases that a machine can measure, a reason for each other case, and interleaved launches."""

from dataclasses import replace

import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.machine.probe import Machine
from ssdbench.harness.machine.worker_python import WorkerPython, inspect_python
from ssdbench.harness.planning import make_plan, select_cases, skip_reason
from ssdbench.harness.suite import parse_suite
from ssdbench.schema.case import Case
from ssdbench.schema.environment import Hardware, Host

HOST = Host(hostname="bench", os="Linux", kernel="6", memory_bytes=2**34, ssdbench_version="0")
WORKER = WorkerPython(
    executable="python",
    version="3.11",
    packages={"torch": "2.11", "torchvision": "0.26", "dali": "2"},
    has_cpp_compiler=True,
)


def machine(gpu: str | None, capability: tuple[int, int] | None, gpus: int = 1, *, bf16: bool = True) -> Machine:
    hardware = Hardware(
        cpu_model="CPU",
        cpu_count=4,
        gpu_model=gpu,
        gpu_count=gpus if gpu else 0,
        gpu_memory_bytes=2**34 if gpu else None,
        compute_capability=capability,
    )
    reason = None if gpu else "no NVIDIA driver is available here"
    return Machine(hardware=hardware, host=HOST, cpu_has_bf16=bf16, no_gpu_reason=reason)


VOLTA = machine("Tesla V100", (7, 0))
TURING = machine("Tesla T4", (7, 5))
AMPERE = machine("NVIDIA A100", (8, 0), gpus=8)
HOPPER = machine("NVIDIA H100", (9, 0))
CLUSTER = replace(AMPERE, nodes=2)
LAPTOP = machine(None, None)
OLD_LAPTOP = machine(None, None, bf16=False)


def case(**changes: object) -> Case:
    plain = Case(
        workload="train",
        device="cuda",
        world_size=1,
        batch_size_per_gpu=32,
        precision="fp32",
        backbone="resnet50",
        pipeline="dali",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("where", "changes", "reason"),
    [
        (VOLTA, {}, None),
        (VOLTA, {"precision": "amp"}, None),
        (VOLTA, {"precision": "tf32"}, "tf32 needs compute capability 8.0, Tesla V100 has 7.0"),
        (TURING, {"precision": "tf32"}, "has 7.5"),
        (TURING, {"precision": "bf16"}, "bf16 needs compute capability 8.0"),
        (AMPERE, {"precision": "tf32", "world_size": 8}, None),
        (HOPPER, {"precision": "bf16"}, None),
        (HOPPER, {"world_size": 8}, "needs 8 GPUs, this machine has 1"),
        (CLUSTER, {"world_size": 16, "nodes": 2}, None),
        (CLUSTER, {"world_size": 32, "nodes": 2}, "needs 16 GPUs, a node has 8"),
        (CLUSTER, {"world_size": 3, "nodes": 2}, "3 ranks cannot be spread evenly over 2 nodes"),
        (CLUSTER, {"world_size": 1, "nodes": 2}, "1 ranks cannot be spread evenly over 2 nodes"),
        (CLUSTER, {"world_size": 4, "nodes": 4}, "needs 4 nodes, there are 2"),
        (AMPERE, {"world_size": 16, "nodes": 2}, "needs 2 nodes, this is one machine (see docs/slurm.md)"),
        (LAPTOP, {}, "needs a GPU, and no NVIDIA driver is available here"),
        (LAPTOP, {"device": "cpu"}, None),
        (LAPTOP, {"device": "cpu", "precision": "bf16"}, None),
        (OLD_LAPTOP, {"device": "cpu", "precision": "bf16"}, "no vector arithmetic for bfloat16"),
        (LAPTOP, {"device": "cpu", "precision": "tf32"}, "needs a GPU"),
        (LAPTOP, {"device": "cpu", "precision": "amp"}, "needs a GPU"),
        (LAPTOP, {"device": "cpu", "world_size": 8}, "needs a CPU for each of 8 processes"),
        (LAPTOP, {"device": "cpu", "options": {"bind": "numa"}}, "bind = numa selects the CPUs near a GPU"),
        (HOPPER, {"options": {"bind": "numa"}}, None),
        (HOPPER, {"batch_size_per_gpu": 1}, "one image per GPU is impossible"),
        (HOPPER, {"batch_size_per_gpu": 1, "workload": "infer"}, None),
        (HOPPER, {"cuda_graph": True}, None),
        (AMPERE, {"cuda_graph": True, "workload": "infer", "world_size": 8}, None),
        (LAPTOP, {"cuda_graph": True, "device": "cpu"}, "a CUDA graph needs a GPU, not a CPU"),
        (
            HOPPER,
            {"cuda_graph": True, "workload": "detect"},
            "CUDA graphs are for train or infer, not",
        ),
        (HOPPER, {"cuda_graph": True, "workload": "accuracy"}, "train or infer, not for accuracy"),
        (HOPPER, {"cuda_graph": True, "compile": True}, "cuda_graph and compile cannot be combined"),
        (AMPERE, {"cuda_graph": True, "world_size": 2}, "a CUDA graph of training is limited to one GPU"),
    ],
)
def test_what_cannot_be_measured_as_asked_is_skipped_with_its_reason(
    where: Machine, changes: dict[str, object], reason: str | None
) -> None:
    found = skip_reason(case(**changes), where, WORKER)
    assert (found is None) if reason is None else (found is not None and reason in found)


@pytest.mark.parametrize(
    ("missing", "changes", "says"),
    [("torch", {}, "torch is not"), ("torchvision", {}, "torchvision is not"), ("dali", {}, "dali-cuda110")],
)
def test_a_missing_package_is_a_reason(missing: str, changes: dict[str, object], says: str) -> None:
    worker = replace(WORKER, packages={name: v for name, v in WORKER.packages.items() if name != missing})
    assert says in str(skip_reason(case(**changes), HOPPER, worker))


@pytest.mark.parametrize(
    ("version", "is_too_old"), [("1.25.0", True), ("1.26.0", False), ("1.9.0", True), ("2.4", False)]
)
def test_an_older_dali_than_was_tested_is_a_reason_for_its_pipeline_alone(version: str, is_too_old: bool) -> None:
    worker = replace(WORKER, packages=WORKER.packages | {"dali": version})
    says = f"the dali pipeline needs DALI 1.26 or newer, and {worker.executable} has {version}"
    assert skip_reason(case(), HOPPER, worker) == (says if is_too_old else None)
    assert skip_reason(case(pipeline="torchvision"), HOPPER, worker) is None


def test_without_dali_the_other_pipelines_are_measured() -> None:
    worker = replace(WORKER, packages={"torch": "2.1", "torchvision": "0.16"})
    assert skip_reason(case(pipeline="torchvision"), HOPPER, worker) is None


CUDA_13 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


@pytest.mark.parametrize(
    ("code", "capability", "can"),
    [
        (CUDA_13, (7, 0), False),  # V100
        (CUDA_13, (7, 5), True),
        (CUDA_13, (8, 9), True),  # code for 8.6 runs on a newer GPU of its major capability
        (CUDA_13, (8, 7), True),
        (CUDA_13, (10, 3), True),
        (CUDA_13, (12, 1), True),  # GB10
        (CUDA_13, (11, 0), False),
        (("sm_86",), (8, 0), False),  # and on no older one
        (("sm_70", "compute_70"), (12, 0), True),  # PTX is compiled by the driver
        (("sm_90", "compute_90"), (8, 0), False),
        (("sm_90a",), (9, 0), True),
        (("sm_90a", "compute_90a"), (10, 0), False),  # for that very GPU
        (("sm_100f",), (10, 3), True),
        (("compute_100f",), (12, 0), False),  # for that family
        (("xpu",), (9, 0), True),  # of a form that is not known the launch will tell
        ((), (9, 0), False),
        (None, (7, 0), True),
    ],
)
def test_a_gpu_that_this_torch_has_no_code_for_is_skipped(
    code: tuple[str, ...] | None, capability: tuple[int, int], can: bool
) -> None:
    gpu, worker = machine("Tesla V100", capability), replace(WORKER, gpu_code=code)
    reason = skip_reason(case(), gpu, worker)
    assert (reason is None) == can
    assert skip_reason(case(device="cpu"), gpu, worker) is None
    if code and not can:
        assert str(reason).startswith("torch 2.11 of python has no code for Tesla V100 of compute capability ")
        assert str(reason).endswith(f"only for {', '.join(code)}")
    if code == ():
        assert reason == "torch 2.11 of python was built without CUDA"


def test_an_interpreter_says_for_which_gpus_its_torch_has_code_and_only_where_it_is_asked() -> None:
    import torch

    flags = torch._C._cuda_getArchFlags() if torch.version.cuda else ""
    assert inspect_python(with_gpu_code=True).gpu_code == tuple(flags.split())
    assert inspect_python().gpu_code is None


def test_a_case_is_asked_for_by_where_dali_decodes() -> None:
    matrix = {"workload": "train", "decode": ["cpu", "mixed"], "batch_size_per_gpu": [32, 64]}
    plan = make_plan(parse_suite({"name": "s", "matrix": [matrix]}, "test"), HOPPER, WORKER, seed=1)
    for decode in ("cpu", "mixed"):
        (found,) = select_cases(plan, [f"train bs32 decode={decode}"]).cases
        assert (found.case.decode, found.case.batch_size_per_gpu) == (decode, 32)
    assert len(select_cases(plan, ["train bs32"]).cases) == 2


def test_the_gpus_of_the_machine_share_its_processors() -> None:
    plan = make_plan(parse_suite({"name": "s", "matrix": [{"workload": "train"}]}, "test"), AMPERE, WORKER, seed=1)
    (found,) = plan.cases
    assert found.case.threads_per_rank == 1  # 4 processors, 8 GPUs


def test_launches_take_turns_and_every_second_round_goes_backwards() -> None:
    suite = parse_suite(
        {
            "name": "s",
            "protocol": {"launches": 3},
            "matrix": [{"workload": "infer", "batch_size_per_gpu": [1, 2]}, {"workload": "train", "precision": "tf32"}],
        },
        "here",
    )
    plan = make_plan(suite, VOLTA, WORKER, seed=1)
    sizes = [(plan.case(slot.case_key).batch_size_per_gpu, slot.launch) for slot in plan.order]
    assert sizes == [(1, 0), (2, 0), (2, 1), (1, 1), (1, 2), (2, 2)]
    assert [planned.skip_reason is None for planned in plan.cases] == [True, True, False]


def test_nightly_measures_fp32_where_there_is_no_tf32_and_tf32_where_there_is() -> None:
    matrices = [
        {"workload": "train", "precision": ["tf32", "amp"]},
        {"workload": "train", "precision": "fp32", "below_capability": "8.0"},
    ]
    suite = parse_suite({"name": "s", "matrix": matrices}, "here")

    def measured(where: Machine) -> list[str]:
        plan = make_plan(suite, where, WORKER, seed=1)
        return [planned.case.precision for planned in plan.cases if planned.skip_reason is None]

    assert measured(VOLTA) == ["amp", "fp32"]
    assert measured(HOPPER) == ["tf32", "amp"]


@pytest.mark.parametrize(("where", "device"), [(HOPPER, "cuda"), (LAPTOP, "cpu")])
def test_device_auto_is_the_gpu_where_there_is_one(where: Machine, device: str) -> None:
    plan = make_plan(parse_suite({"name": "s", "matrix": [{"workload": "train"}]}, "here"), where, WORKER, seed=1)
    assert plan.cases[0].case.device == device


def test_cases_are_selected_by_their_key_or_by_words_of_it() -> None:
    matrix = {"workload": "train", "precision": ["fp32", "amp"], "batch_size_per_gpu": [8, 32], "world_size": [1, 8]}
    plan = make_plan(parse_suite({"name": "s", "matrix": [matrix]}, "test"), AMPERE, WORKER, seed=1)
    key = plan.cases[0].case.key
    assert [planned.case.key for planned in select_cases(plan, [key]).cases] == [key]
    found = select_cases(plan, ["amp 8xcuda bs32", "fp32 1xcuda"])
    titles = [(p.case.precision, p.case.world_size, p.case.batch_size_per_gpu) for p in found.cases]
    assert titles == [("fp32", 1, 8), ("fp32", 1, 32), ("amp", 8, 32)]
    title = plan.cases[1].case.title
    assert [planned.case.title for planned in select_cases(plan, [title]).cases] == [title]
    assert {slot.case_key for slot in found.order} == {planned.case.key for planned in found.cases}
    with pytest.raises(UsageError, match=r"--case 'infer' fits no case of s; there are train-resnet50-dali-fp32-"):
        select_cases(plan, ["infer"])
    assert select_cases(plan, []) == plan


def test_what_an_image_lacks_is_no_matter_of_the_plan() -> None:
    matrix = {"workload": "train", "batch_size_per_gpu": [1, 2]}
    suite = parse_suite({"name": "s", "device": "cpu", "matrix": [matrix]}, "test")
    bare = replace(WORKER, packages={})
    assert [bool(planned.skip_reason) for planned in make_plan(suite, LAPTOP, bare, seed=1).cases] == [True, True]
    reasons = [planned.skip_reason for planned in make_plan(suite, LAPTOP, None, seed=1).cases]
    assert reasons[1] is None
    assert reasons[0] is not None
