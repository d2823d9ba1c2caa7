"""What else differs, beside the causes: each rule with a known answer, and nothing ranked where no rule applies."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ssdbench.analysis.profiles.differences import Difference as Seconds
from ssdbench.analysis.profiles.explaining import explain
from ssdbench.analysis.profiles.linking import changes_uniformly, link
from ssdbench.analysis.profiles.owners import owner_of_kernel
from ssdbench.schema.case import Case
from ssdbench.schema.environment import Software
from ssdbench.schema.explanation import Explanation
from ssdbench.schema.manifest import ContentChange, ContentChanges
from ssdbench.schema.profile import CaseProfile
from ssdbench.schema.record import Arm
from ssdbench.schema.verdict import Difference
from tests.builders import a_case
from tests.profiles import MILLISECONDS, OPERATORS, Operator, Part, World

CONV: Operator = ("forward", "aten::conv2d")
SORT: Operator = ("loss", "aten::sort")
INPUT: Part = ("input", "")
CUDNN_KERNEL = "sm90_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize128x128x64_warpgroupsize1x1x1_g1"
CUBLAS_KERNEL = "nvjet_sm90_hsh_128x128_64x6_1x2_h_bz_splitK_NTT"
TORCH_KERNEL = "void at::native::vectorized_elementwise_kernel<8, at::native::CUDAFunctor_add<c10::Half>>(int)"
EVERYTHING = (
    *("numpy", "python", "torch", "torchvision", "dali", "cuda", "cudnn", "cublas", "nccl", "ssdbench commit"),
    *("driver", "GPU power limit watts", "$OMP_NUM_THREADS", "$NCCL_ALGO", "image"),
)


def differs(*names: str) -> list[Difference]:
    return [Difference(name=name, baseline="1", candidate="2") for name in names]


def on_gpu(profile: CaseProfile, kernels: Mapping[str, tuple[str, ...]]) -> CaseProfile:
    """The same on a GPU, where operators ran these kernels in both builds."""
    arms: tuple[Arm, Arm] = ("baseline", "candidate")
    rows = [
        replace(row, kernels=dict.fromkeys(arms, kernels[row.operator]) if row.operator in kernels else {})
        for row in profile.operators
    ]
    return replace(profile, device="cuda", operators=tuple(rows))


def linked(
    profile: CaseProfile,
    differences: list[Difference] | None = None,
    case: Case | None = None,
    contents: ContentChanges | None = None,
    measured: Seconds | None = None,
) -> Explanation:
    found = explain(profile, measured)
    return link(found, profile, case, differs(*EVERYTHING) if differences is None else differences, contents)


def names(found: Explanation) -> list[str]:
    return [one.name for one in found.linked]


def test_slower_kernels_are_linked_to_the_library_they_are_of_then_to_what_chooses_them() -> None:
    slower = on_gpu(World().profile(operators={CONV: 20.0}), {CONV[1]: (CUDNN_KERNEL,)})
    found = linked(slower)
    assert names(found) == ["cudnn", "torch", "ssdbench commit"]
    assert found.linked[0].links[0].causes == (1,)
    assert found.linked[0].links[0].why == "its kernels run there"
    assert {one.name for one in found.unlinked} == set(EVERYTHING) - set(names(found))


def test_a_convolution_that_multiplies_is_cudnns_before_it_is_cublass() -> None:
    slower = on_gpu(World().profile(operators={CONV: 20.0}), {CONV[1]: (CUBLAS_KERNEL,)})
    assert names(linked(slower)) == ["cudnn", "cublas", "torch", "ssdbench commit"]
    other = World().profile(operators={("forward", "aten::relu"): 20.0})
    assert names(linked(on_gpu(other, {"aten::relu": (CUBLAS_KERNEL,)}))) == ["cublas", "torch", "ssdbench commit"]


@pytest.mark.parametrize(
    ("kernel", "owner"),
    [
        (CUDNN_KERNEL, "cudnn"),
        ("void cutlass__5x_cudnn::Kernel<cutlass_tensorop_bf16_s16816fprop_optimized_bf16_256x64_32x4>", "cudnn"),
        ("_ZN17cutlass__5x_cudnn6KernelINS_4conv6kernel23ImplicitGemmConvolutionINS_1", "cudnn"),
        ("void cudnn::batchnorm_bwtr_nhwc_semiPersist<__half, float, __half, 512, 16, 3>", "cudnn"),
        ("void nhwcAddPaddingKernel<__half, __half, float, true, (cudnnKernelDataType_t)0>(int)", "cudnn"),
        ("sm90_xmma_wgrad_image_first_layer_f16f16_f32_f32_nhwckrsc_nhwc_hmma", "cudnn"),
        (CUBLAS_KERNEL, "cublas"),
        ("void cutlass::Kernel2<cutlass_80_tensorop_s16816gemm_bf16_64x128_64x4_nt_align8>", "cublas"),
        (TORCH_KERNEL, "torch"),
        ("void at::native::(anonymous namespace)::multi_tensor_apply_kernel<at::native>", "torch"),
        ("ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevKernelArgsStorage<4096ul>)", "nccl"),
        ("Memset (Device)", None),
    ],
)
def test_kernels_have_the_owner_that_their_name_tells(kernel: str, owner: str | None) -> None:
    assert owner_of_kernel(kernel) == owner


def test_an_operator_on_a_cpu_is_torchs() -> None:
    assert names(linked(World().profile(operators={CONV: 20.0}))) == ["torch", "ssdbench commit"]


def test_operators_that_are_called_more_often_are_linked_to_the_code_that_calls_them() -> None:
    more = on_gpu(World().profile(operators={SORT: 2.0}, calls={SORT: 1}), {SORT[1]: (CUDNN_KERNEL,)})
    assert names(linked(more)) == ["ssdbench commit", "torch"]


def test_a_lost_layout_is_linked_to_the_code_that_asks_for_it_and_to_no_library() -> None:
    lost = World().profile(operators={CONV: 20.0}, layouts={"baseline": "channels_last", "candidate": "contiguous"})
    assert names(linked(on_gpu(lost, {CONV[1]: (CUDNN_KERNEL,)}))) == ["ssdbench commit", "torch"]


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("dali", ["dali", "ssdbench commit"]),
        ("torchvision", ["torchvision", "torch", "ssdbench commit"]),
        ("resident", ["ssdbench commit"]),
        (None, ["ssdbench commit"]),
    ],
)
def test_waiting_for_input_is_linked_to_the_pipeline_of_the_case(pipeline: str | None, expected: list[str]) -> None:
    case = a_case(pipeline=pipeline) if pipeline is not None else None
    assert names(linked(World().profile(parts={INPUT: 20.0}), case=case)) == expected


def test_communication_is_linked_to_nccl_and_its_variables_on_gpus_alone() -> None:
    talks = World().profile(parts={("communication", ""): 20.0})
    assert names(linked(on_gpu(talks, {}))) == ["nccl", "$NCCL_ALGO", "torch", "ssdbench commit"]
    assert names(linked(talks)) == ["torch", "ssdbench commit"]


def test_the_host_between_operators_runs_python_code() -> None:
    assert names(linked(World().profile(parts={("host", "backward"): 20.0}))) == ["ssdbench commit", "torch", "python"]


def test_the_largest_cause_comes_first_and_a_difference_is_told_once_for_all_its_causes() -> None:
    both = World().profile(operators={SORT: 2.0}, calls={SORT: 1}, parts={INPUT: 9.0})
    found = linked(both, case=a_case(pipeline="dali"))
    assert names(found) == ["dali", "ssdbench commit", "torch"]
    commit = found.linked[1]
    assert [link.causes for link in commit.links] == [(1,), (2,)]


def test_the_machine_is_suspected_only_where_the_builds_do_not_differ_now() -> None:
    then = Seconds(baseline=(0.1, 0.1001, 0.0999), candidate=(0.15, 0.1501, 0.1499))
    found = linked(World().profile(), measured=then)
    assert found.is_gone
    assert names(found) == ["driver", "GPU power limit watts"]
    assert found.linked[0].links[0].causes == ()
    assert names(linked(World().profile(operators={CONV: 20.0}))) == ["torch", "ssdbench commit"]


def test_a_profile_that_is_not_believed_ranks_nothing() -> None:
    profile = World().profile(parts={("host", "forward"): 20.0})
    plain = profile.launches[0].plain_seconds
    unlike = replace(profile, launches=tuple(replace(launch, plain_seconds=plain) for launch in profile.launches))
    found = linked(unlike)
    assert found.refusal
    assert names(found) == []


def test_all_parts_that_change_by_one_share_point_to_threads_first() -> None:
    parts = {part: 0.2 * value for part, value in MILLISECONDS.items()}
    operators = {operator: 0.2 * value for operator, value in OPERATORS.items()}
    uniform = World(noise=0.003).profile(parts=parts, operators=operators)
    found = linked(uniform)
    assert changes_uniformly(found)
    assert names(found)[0] == "$OMP_NUM_THREADS"
    assert not changes_uniformly(linked(World(noise=0.003).profile(operators=operators)))
    assert not changes_uniformly(linked(World().profile()))


def test_where_no_rule_applies_nothing_is_ranked_and_all_is_listed() -> None:
    found = linked(World().profile(operators={CONV: 20.0}), differs("numpy", "image", "$CUDA_MODULE_LOADING"))
    assert found.causes
    assert found.linked == ()
    assert [one.name for one in found.unlinked] == ["numpy", "image", "$CUDA_MODULE_LOADING"]
    assert linked(World().profile()).linked == ()


def test_versions_are_those_of_the_launches_that_were_profiled() -> None:
    old = Software(python="3.11.4", torch="2.5.1", cudnn="9.1.0")
    slower = on_gpu(World().profile(operators={CONV: 20.0}), {CONV[1]: (CUDNN_KERNEL,)})
    profile = replace(slower, software={"baseline": old, "candidate": replace(old, cudnn="9.5.1")})
    found = linked(profile, differs("torch", "numpy", "driver"))
    assert [(one.name, one.baseline, one.candidate) for one in found.linked] == [("cudnn", "9.1.0", "9.5.1")]
    assert [one.name for one in found.unlinked] == ["driver"]


def test_parts_of_images_join_once_and_only_where_a_worker_loaded_them() -> None:
    changes = (
        ContentChange(key="debian:libcudnn9", rank="mapped", baseline="9.1", candidate="9.5", changed_bytes=100),
        ContentChange(key="folder:/opt/x", rank="mapped", baseline="a", candidate="b", files=("libcudnn_ops.so.9",)),
        ContentChange(key="python:torch", rank="loaded", baseline="1", candidate="2"),
        ContentChange(key="python:pillow", rank="loaded", baseline="10", candidate="11"),
        ContentChange(key="python:nvidia-cudnn-frontend", rank="other", baseline="1", candidate="2"),
    )
    contents = ContentChanges(baseline_image="a", candidate_image="b", changes=changes)
    slower = on_gpu(World().profile(operators={CONV: 20.0}), {CONV[1]: (CUDNN_KERNEL,)})
    found = linked(slower, differs("cudnn", "torch"), contents=contents)
    assert names(found) == ["cudnn", "libcudnn9 (Debian)", "libraries in /opt/x", "torch"]
    assert [one.name for one in found.unlinked] == ["pillow (Python)"]
