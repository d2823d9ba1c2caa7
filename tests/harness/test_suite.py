"""Suites: their cases, and the messages for mistakes."""

from pathlib import Path

import pytest

from ssdbench.analysis.metrics import STEPS_NEEDED
from ssdbench.errors import UsageError
from ssdbench.harness.resources import SUITES, resource
from ssdbench.harness.suite import expand, find_suite, load_suite, parse_suite
from ssdbench.schema.case import Case, DeviceKind


def cases(
    content: str, tmp_path: Path, *, device: DeviceKind = "cuda", cpu_count: int = 8, gpu_count: int = 0
) -> list[Case]:
    path = tmp_path / "my.toml"
    path.write_text('name = "my"\n' + content)
    return [case for case, _ in expand(load_suite(path), device, cpu_count, gpu_count)]


def test_the_cases_are_the_product_of_the_axes_less_the_excluded(tmp_path: Path) -> None:
    found = cases(
        """
        [[matrix]]
        workload = "train"
        world_size = [1, 8]
        batch_size_per_gpu = [32, 64]
        precision = ["tf32", "amp"]
        exclude = [{ world_size = 8, precision = "tf32" }]
        """,
        tmp_path,
    )
    assert [(case.world_size, case.precision, case.batch_size_per_gpu) for case in found] == [
        (1, "tf32", 32), (1, "tf32", 64), (1, "amp", 32), (1, "amp", 64), (8, "amp", 32), (8, "amp", 64),
    ]  # fmt: skip


def test_a_case_named_by_two_matrices_is_measured_once(tmp_path: Path) -> None:
    assert len(cases('[[matrix]]\nworkload = "train"\n[[matrix]]\nworkload = ["train", "infer"]', tmp_path)) == 2


def test_the_input_pipeline_has_no_backbone_and_no_precision(tmp_path: Path) -> None:
    found = cases('[[matrix]]\nworkload = "input"\nbackbone = ["resnet18", "resnet50"]\nprecision = "amp"', tmp_path)
    assert [(case.backbone, case.precision) for case in found] == [("none", "fp32")]


def test_a_matrix_changes_the_protocol_of_its_suite(tmp_path: Path) -> None:
    (case,) = cases(
        'protocol = { steps = 7, launches = 2 }\n[[matrix]]\nworkload = "train"\nprotocol = { steps = 9 }', tmp_path
    )
    assert (case.protocol.steps, case.protocol.launches, case.protocol.warmup_steps) == (9, 2, 10)


def test_least_times_may_be_the_suites_or_a_matrix_own(tmp_path: Path) -> None:
    protocol = "protocol = { warmup_seconds = 3, timed_seconds = 5 }"
    one, two = cases(
        f'{protocol}\n[[matrix]]\nworkload = "train"\n'
        '[[matrix]]\nworkload = "infer"\nprotocol = { timed_seconds = 0.5, steps = 2000 }',
        tmp_path,
    )
    assert (one.protocol.warmup_seconds, one.protocol.timed_seconds) == (3.0, 5.0)
    assert (two.protocol.warmup_seconds, two.protocol.timed_seconds, two.protocol.steps) == (3.0, 0.5, 2000)


def test_timing_is_in_the_key_only_where_it_is_not_the_usual_one(tmp_path: Path) -> None:
    ahead, waited_for = (
        cases(f'[[matrix]]\nworkload = "infer"\noptions = {{ timing = "{timing}" }}', tmp_path)[0]
        for timing in ("streamed", "synchronised")
    )
    assert ahead == cases('[[matrix]]\nworkload = "infer"', tmp_path)[0]
    assert not ahead.is_synchronised
    assert waited_for.key == f"{ahead.key}-timing=synchronised"
    assert waited_for.is_synchronised


def test_a_case_names_its_cuda_graph_only_where_it_has_one(tmp_path: Path) -> None:
    eager, graph = cases('[[matrix]]\nworkload = "infer"\ncuda_graph = [false, true]', tmp_path)
    assert eager.key == "infer-resnet50-dali-fp32-channels_last-eager-1xcuda-bs32-t7"
    assert graph.key == "infer-resnet50-dali-fp32-channels_last-eager-cuda_graph-1xcuda-bs32-t7"
    assert graph.title == f"{eager.title} · CUDA graph"
    (fed,) = cases('[[matrix]]\nworkload = "input"\ncuda_graph = [false, true]', tmp_path)
    assert not fed.cuda_graph  # it has no network


def test_a_case_says_its_nodes_only_where_there_are_several(tmp_path: Path) -> None:
    one, two = cases('[[matrix]]\nworkload = "train"\nworld_size = 16\nnodes = [1, 2]', tmp_path)
    assert one.key == "train-resnet50-dali-fp32-channels_last-eager-16xcuda-bs32-t1"
    assert two.key == "train-resnet50-dali-fp32-channels_last-eager-16xcuda-2nodes-bs32-t1"
    assert one.title == "train resnet50 dali fp32 · 16 GPU × batch 32"
    assert two.title == "train resnet50 dali fp32 · 16 GPU on 2 nodes × batch 32"


def test_ranks_share_the_processors_of_their_node(tmp_path: Path) -> None:
    suite = '[[matrix]]\nworkload = "train"\nworld_size = 4\nnodes = [1, 2, 4]'
    assert [case.threads_per_rank for case in cases(suite, tmp_path, cpu_count=12)] == [2, 5, 11]


@pytest.mark.parametrize(("device", "threads"), [("cpu", [12, 6, 2, 1]), ("cuda", [11, 5, 1, 1])])
def test_ranks_share_the_cpus_and_with_a_gpu_leave_one_for_their_main_thread(
    device: DeviceKind, threads: list[int], tmp_path: Path
) -> None:
    suite = '[[matrix]]\nworkload = "train"\nworld_size = [1, 2, 6, 16]'
    assert [case.threads_per_rank for case in cases(suite, tmp_path, device=device, cpu_count=12)] == threads


def test_a_rank_has_the_threads_of_one_gpu_however_many_are_used(tmp_path: Path) -> None:
    suite = '[[matrix]]\nworkload = "train"\nworld_size = [1, 4, 8, 16]'
    found = cases(suite, tmp_path, cpu_count=224, gpu_count=8)
    assert [case.threads_per_rank for case in found] == [27, 27, 27, 13]


def test_a_suite_says_the_threads_itself_where_it_does(tmp_path: Path) -> None:
    suite = '[[matrix]]\nworkload = "train"\nworld_size = [1, 8]\nthreads_per_rank = 8'
    assert [case.threads_per_rank for case in cases(suite, tmp_path, cpu_count=224)] == [8, 8]


def test_torchvision_has_no_more_than_eight_worker_processes(tmp_path: Path) -> None:
    suite = '[[matrix]]\nworkload = "train"\npipeline = ["torchvision", "dali"]'
    assert [case.threads_per_rank for case in cases(suite, tmp_path, cpu_count=32)] == [8, 31]
    assert [case.threads_per_rank for case in cases(suite, tmp_path, cpu_count=4)] == [3, 3]


BOTH = '[[matrix]]\nworkload = "train"\nthreads_per_rank = 4\ndecode = ["cpu", "mixed"]\n'


def test_where_dali_decodes_for_a_gpu_is_in_the_key_as_published_alone(tmp_path: Path) -> None:
    published, mixed = cases(BOTH, tmp_path)
    assert published.key == "train-resnet50-dali-fp32-channels_last-eager-1xcuda-bs32-t4-decode=cpu"
    assert mixed.key == "train-resnet50-dali-fp32-channels_last-eager-1xcuda-bs32-t4"
    assert published.title == "train resnet50 dali fp32 · 1 GPU × batch 32 · decode=cpu"
    assert mixed.title == "train resnet50 dali fp32 · 1 GPU × batch 32"
    (unsaid,) = cases('[[matrix]]\nworkload = "train"\nthreads_per_rank = 4', tmp_path)
    assert unsaid == mixed


def test_where_nothing_can_be_decoded_on_a_gpu_there_is_one_case(tmp_path: Path) -> None:
    (on_cpu,) = cases(BOTH, tmp_path, device="cpu")
    assert (on_cpu.decode, on_cpu.decode_is_a_choice, "decode" in on_cpu.key) == ("mixed", False, False)
    found = cases(BOTH + 'pipeline = ["dali", "torchvision", "resident"]', tmp_path)
    assert [(case.pipeline, case.decode) for case in found] == [
        ("dali", "cpu"), ("dali", "mixed"), ("torchvision", "mixed"), ("resident", "mixed"),
    ]  # fmt: skip


def test_only_the_input_pipeline_has_a_choice_of_where_to_decode(tmp_path: Path) -> None:
    found = cases(BOTH.replace("train", "input"), tmp_path)
    assert [case.decode for case in found] == ["cpu", "mixed"]
    (paced,) = cases(BOTH.replace("train", "pace"), tmp_path)
    assert paced.decode == "mixed"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[[matrix]]\nworklaod = "train"', "key 'matrix.1.worklaod' is not known: did you mean 'workload'"),
        ('[[matrix]]\nworkload = "trian"', "did you mean 'train'?"),
        (
            '[[matrix]]\nworkload = "train"\nprecision = ["fp32", "fp8"]',
            "key 'matrix.1.precision.2': 'fp8' is not known",
        ),
        ('[[matrix]]\nworkload = "train"\nbatch_size_per_gpu = 0', "key 'matrix.1.batch_size_per_gpu.1'"),
        ('[[matrix]]\nworkload = "train"\nbatch_size_per_gpu = "32"', "found '32'"),
        ('[[matrix]]\nprecision = "amp"', "key 'matrix.1.workload' is missing"),
        ("matrix = []", "key 'matrix'"),
        (
            '[[matrix]]\nworkload = "train"\npipeline = "resident"\ndecode = "cpu"',
            "matrix 1: decode is for the pipeline dali, and its pipeline is resident: omit decode, or add dali",
        ),
        (
            '[[matrix]]\nworkload = "train"\ndecode = "gpu"',
            "'gpu' is not known: did you mean 'cpu'? choose from cpu, mixed",
        ),
        ('protocol = { step = 3 }\n[[matrix]]\nworkload = "train"', "did you mean 'steps'?"),
        ('[[matrix]]\nworkload = "train"\nexclude = [{ gpus = 8 }]', "exclude has 'gpus', which is not an axis"),
        ('[[matrix]]\nworkload = "train"\nexclude = [{ world_size = 8 }]', "exclude never applies"),
        ("[[matrix]", "cannot be read as TOML"),
        ('protocol = { timed_seconds = -1 }\n[[matrix]]\nworkload = "train"', "key 'protocol.timed_seconds'"),
        ('protocol = { warmup_seconds = inf }\n[[matrix]]\nworkload = "train"', "key 'protocol.warmup_seconds'"),
        (
            "protocol = { timed_seconds = 800, timeout_seconds = 900 }\n"
            '[[matrix]]\nworkload = "train"\nprotocol = { warmup_seconds = 100 }',
            "matrix 1: warmup_seconds and timed_seconds sum to 900 s, and a launch may take only 900 s",
        ),
        (
            '[[matrix]]\nworkload = "infer"\noptions = { timing = "synchronized" }',
            "matrix 1: option timing = 'synchronized' is not known: did you mean 'synchronised'? choose streamed or",
        ),
        (
            '[[matrix]]\nworkload = ["infer", "train"]\noptions = { timing = "synchronised" }',
            "matrix 1: workload train has no option 'timing': its options are bind",
        ),
        (
            '[[matrix]]\nworkload = "pace"\noptions = { step_second = 1.0 }',
            "matrix 1: workload pace has no option 'step_second': did you mean 'step_seconds'? its options are",
        ),
        ('[[matrix]]\nworkload = "pace"\noptions = { step_seconds = nan }', "option step_seconds = nan is no finite"),
        ('[[matrix]]\nworkload = "pace"\noptions = { step_seconds = -1 }', "step_seconds = -1 is no number from 0 to"),
        ('[[matrix]]\nworkload = "pace"\noptions = { slow_rank = 0.5 }', "slow_rank = 0.5 is no whole number from -1"),
        (
            '[[matrix]]\nworkload = "train"\noptions = { bind = "socket" }',
            "bind = 'socket' is not known: choose none or",
        ),
        ('[[matrix]]\nworkload = "accuracy"\noptions = { epoch = 3 }', "no option 'epoch': did you mean 'epochs'?"),
        ('[[matrix]]\nworkload = "accuracy"\noptions = { engine = "pycoco" }', "did you mean 'pycocotools'?"),
        ('[[matrix]]\nworkload = "accuracy"\noptions = { decay = "3,-1" }', "decay = '3,-1' is no list of epochs"),
        ('[[matrix]]\nworkload = "train"\nverdict = 1', "key 'matrix.1.verdict' is not known"),
        ('verdict = { alpha = 2.0 }\n[[matrix]]\nworkload = "train"', "verdict setting alpha = 2 is not from"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_file_and_key(content: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        cases(content, tmp_path)
    message = str(caught.value)
    assert says in message
    assert str(tmp_path / "my.toml") in message
    assert "\n" not in message.removesuffix("\n") or "TOML" in message


def test_an_unknown_suite_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"convergence, .*monthly, nightly, smoke"):
        find_suite("weekly")
    with pytest.raises(UsageError, match="did you mean 'nightly'"):
        find_suite("nightlie")


@pytest.mark.parametrize("path", sorted((resource(SUITES)).glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_suites_are_valid_and_have_enough_images_for_their_largest_batch(path: Path) -> None:
    suite = load_suite(path)
    found = [case for case, _ in expand(suite, "cuda", 64)]
    assert suite.name == path.stem
    assert max(case.global_batch_size for case in found) <= suite.data.train_images
    inference = [case.global_batch_size for case in found if case.workload in ("infer", "detect")]
    assert max(inference, default=0) <= suite.data.val_images


def test_nightly_contains_the_published_grid() -> None:
    found = {
        (case.workload, case.world_size, case.batch_size_per_gpu, case.precision)
        for case, _ in expand(load_suite(find_suite("nightly")), "cuda", 64)
    }
    training = {("train", n, b, p) for n in (1, 4, 8) for b in (32, 64, 128) for p in ("fp32", "tf32", "amp")}
    inference = {("infer", 1, b, p) for b in (1, 2, 4, 8, 16, 32, 64) for p in ("fp32", "tf32", "amp")}
    assert found == training | inference


def test_nightly_decodes_as_published_and_has_a_case_that_does_not_wait_for_the_cpu() -> None:
    found = [case for case, _ in expand(load_suite(find_suite("nightly")), "cuda", 64, 8)]
    others = [(case.workload, case.world_size) for case in found if case.decode == "mixed"]
    assert others == [("train", 1), ("train", 8)]


def test_monthly_has_both_forms_of_decoding_of_every_workload() -> None:
    found = [case for case, _ in expand(load_suite(find_suite("monthly")), "cuda", 64, 8)]
    forms = {(case.workload, case.decode) for case in found if case.pipeline == "dali"}
    assert forms == {(name, decode) for name in ("train", "infer", "detect", "input") for decode in ("cpu", "mixed")}


@pytest.mark.parametrize("name", ["nightly", "monthly"])
def test_the_published_inference_is_waited_for_and_has_steps_enough_for_every_percentile(name: str) -> None:
    grid = {(batch, precision) for batch in (1, 2, 4, 8, 16, 32, 64) for precision in ("fp32", "tf32", "amp")}
    found = {
        (case.batch_size_per_gpu, case.precision): case
        for case, _ in expand(load_suite(find_suite(name)), "cuda", 64, 8)
        if case.workload == "infer" and case.pipeline == "dali" and case.is_synchronised
    }
    assert grid <= set(found)
    assert all(case.protocol.steps >= max(STEPS_NEEDED.values()) for case in found.values())


@pytest.mark.parametrize("name", ["nightly", "monthly"])
def test_clocks_rise_for_3_seconds_and_5_are_timed(name: str) -> None:
    protocols = {case.protocol for case, _ in expand(load_suite(find_suite(name)), "cuda", 64, 8)}
    assert {(protocol.warmup_seconds, protocol.timed_seconds) for protocol in protocols} == {(3.0, 5.0)}


def test_smoke_has_every_workload_at_one_and_two_processes_in_two_precisions() -> None:
    found = [case for case, _ in expand(load_suite(find_suite("smoke")), "cpu", 2)]
    assert {case.workload for case in found} == {"train", "infer", "detect", "input"}
    assert {case.world_size for case in found if case.workload == "train"} == {1, 2}
    assert {case.precision for case in found} == {"fp32", "bf16"}


def test_options_reach_the_case_and_its_key() -> None:
    suite = parse_suite({"name": "x", "matrix": [{"workload": "pace", "options": {"step_seconds": 0.5}}]}, "here")
    ((case, _),) = expand(suite, "cpu", 2)
    assert case.options == {"step_seconds": 0.5}
    assert "step_seconds=0.5" in case.key


def bound(bind: str) -> Case:
    suite = parse_suite({"name": "x", "matrix": [{"workload": "train", "options": {"bind": bind}}]}, "here")
    ((case, _),) = expand(suite, "cuda", 8)
    return case


def test_a_case_bound_to_the_gpus_numa_node_is_another_and_an_unbound_one_keeps_its_key() -> None:
    suite = parse_suite({"name": "x", "matrix": [{"workload": "train"}]}, "here")
    ((plain, _),) = expand(suite, "cuda", 8)
    assert bound("none") == plain
    assert "bind" not in plain.key
    assert bound("numa").key == f"{plain.key}-bind=numa"
    assert "bind=numa" in bound("numa").title
    assert (bound("numa").binds_to_numa_node, plain.binds_to_numa_node) == (True, False)


def test_without_a_limit_of_its_own_a_suite_has_the_rule_for_foreign_cpu() -> None:
    matrix = {"name": "x", "matrix": [{"workload": "train"}]}
    assert parse_suite(matrix, "here").foreign_cpu_limit_cores is None
    assert parse_suite(matrix | {"foreign_cpu_limit_cores": 0.15}, "here").foreign_cpu_limit_cores == 0.15
