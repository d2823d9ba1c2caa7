"""The cause of a failed launch is distinguished from its consequences, by files as launches leave them."""

import json
import struct
from pathlib import Path

from ssdbench.harness.launchers.diagnosis import diagnose


def report(folder: Path, rank: int, kind: str, failed_at: float, message: str = "because", **more: str) -> None:
    content = {"kind": kind, "message": message, "rank": rank, "last_step": 7, "log": None, "failed_at": failed_at}
    content |= more
    (folder / f"failure-{rank}.json").write_text(json.dumps(content))


def exits(folder: Path, codes: dict[int, int]) -> None:
    (folder / "exits.json").write_text(json.dumps(codes))


def steps(folder: Path, rank: int, last: int) -> None:
    (folder / f"step-{rank}").write_bytes(struct.pack("<q", last))


def stack(folder: Path, rank: int, file: str) -> None:
    log = folder / f"ranks/run/attempt_0/{rank}/stderr.log"
    log.parent.mkdir(parents=True)
    log.write_text(f'Current thread (most recent call first):\n  File "{file}", line 1 in function\n')


def test_a_killed_rank_is_the_cause_and_its_peers_are_witnesses(tmp_path: Path) -> None:
    report(tmp_path, 0, "lost", 1.0, "Connection closed by peer")
    exits(tmp_path, {0: 1, 1: -9})
    steps(tmp_path, 1, 12)
    failure = diagnose(tmp_path, 2, exit_code=1, timed_out_after_seconds=None)
    assert (failure.kind, failure.rank, failure.last_step) == ("crash", 1, 12)
    assert "SIGKILL" in failure.message


def test_a_killed_rank_of_several_nodes_is_named_with_its_node_and_its_own_log(tmp_path: Path) -> None:
    (tmp_path / "exits-0.json").write_text(json.dumps({0: -15, 1: -15}))
    (tmp_path / "exits-2.json").write_text(json.dumps({2: -9, 3: -15}))
    for rank in range(4):
        log = tmp_path / f"stderr-{rank}.log"
        log.write_text(f"rank {rank} was here\n")
        place = {"host": f"node{1 + rank // 2}", "log": str(log)}
        (tmp_path / f"place-{rank}.json").write_text(json.dumps(place))
    failure = diagnose(tmp_path, 4, exit_code=1, timed_out_after_seconds=None)
    assert failure.message.startswith("rank 2 on node2 ended by SIGKILL")
    assert failure.log == "rank 2 was here"


def test_torchruns_own_clean_up_is_never_the_cause(tmp_path: Path) -> None:
    report(tmp_path, 1, "out_of_memory", 1.0, "OutOfMemoryError: CUDA out of memory")
    exits(tmp_path, {0: -15, 1: 1})
    failure = diagnose(tmp_path, 2, exit_code=1, timed_out_after_seconds=None)
    assert (failure.kind, failure.rank, failure.last_step) == ("out_of_memory", 1, 7)


def test_the_first_of_several_causes_is_named(tmp_path: Path) -> None:
    report(tmp_path, 0, "bad_data", 20.0, "late")
    report(tmp_path, 1, "bad_data", 10.0, "early")
    assert diagnose(tmp_path, 2, exit_code=1, timed_out_after_seconds=None).message == "early"


def test_a_rank_that_ended_without_a_report_is_the_cause_if_the_others_only_lost_it(tmp_path: Path) -> None:
    report(tmp_path, 0, "lost", 1.0)
    exits(tmp_path, {0: 1})
    failure = diagnose(tmp_path, 2, exit_code=1, timed_out_after_seconds=None)
    assert (failure.rank, failure.message) == (1, "rank 1 ended without a report")


def test_a_timeout_names_the_slowest_rank(tmp_path: Path) -> None:
    steps(tmp_path, 0, 9)
    steps(tmp_path, 1, 4)
    failure = diagnose(tmp_path, 2, exit_code=-15, timed_out_after_seconds=30.0)
    assert (failure.kind, failure.rank, failure.last_step) == ("timeout", 1, 4)
    assert "rank 0 was after step 9, rank 1 was after step 4" in failure.message


def test_a_launch_that_never_began_shows_torchruns_last_words(tmp_path: Path) -> None:
    (tmp_path / "launch.log").write_text("Traceback\nModuleNotFoundError: No module named 'torch'\n\n")
    failure = diagnose(tmp_path, 1, exit_code=1, timed_out_after_seconds=None)
    assert failure.kind == "crash"
    assert "No module named 'torch'" in failure.message


def test_of_ranks_at_the_same_step_the_one_outside_the_collective_is_the_slowest(tmp_path: Path) -> None:
    for rank, file in ((0, "torch/distributed/distributed_c10d.py"), (1, "ssdbench/workloads/train.py")):
        steps(tmp_path, rank, 4)
        stack(tmp_path, rank, file)
    assert diagnose(tmp_path, 2, exit_code=-15, timed_out_after_seconds=30.0).rank == 1


def test_a_rank_without_a_step_is_the_slowest(tmp_path: Path) -> None:
    steps(tmp_path, 0, 0)
    steps(tmp_path, 1, -1)
    failure = diagnose(tmp_path, 2, exit_code=-15, timed_out_after_seconds=30.0)
    assert (failure.rank, failure.last_step) == (1, None)


def test_a_rank_without_memory_is_the_cause_and_the_one_that_the_watchdog_aborted_is_not(tmp_path: Path) -> None:
    report(tmp_path, 1, "out_of_memory", 2.0, "OutOfMemoryError: CUDA out of memory", memory="gpu")
    report(tmp_path, 2, "crash", 1.0, "DistBackendError: NCCL error in: ...; ncclInternalError: Internal check failed.")
    exits(tmp_path, {0: -6, 1: 1, 2: 1})
    failure = diagnose(tmp_path, 3, exit_code=1, timed_out_after_seconds=None)
    assert (failure.kind, failure.memory, failure.rank) == ("out_of_memory", "gpu", 1)


def test_a_rank_that_would_not_end_after_another_ran_out_of_memory_is_not_the_cause(tmp_path: Path) -> None:
    report(tmp_path, 1, "out_of_memory", 1.0, "OutOfMemoryError: CUDA out of memory", memory="gpu")
    exits(tmp_path, {0: -9, 1: 1})
    assert diagnose(tmp_path, 2, exit_code=1, timed_out_after_seconds=None).kind == "out_of_memory"
    assert diagnose(tmp_path, 2, exit_code=None, timed_out_after_seconds=30.0).kind == "out_of_memory"


def test_a_killed_rank_is_the_cause_where_nccl_calls_a_lost_peer_an_internal_error(tmp_path: Path) -> None:
    report(tmp_path, 0, "crash", 1.0, "DistBackendError: NCCL error in: ...; ncclInternalError: Internal check failed.")
    exits(tmp_path, {0: 1, 1: -9})
    failure = diagnose(tmp_path, 2, exit_code=1, timed_out_after_seconds=None)
    assert failure.rank == 1
    assert "SIGKILL" in failure.message


def test_an_error_of_python_is_the_cause_and_the_abort_of_its_peer_is_not(tmp_path: Path) -> None:
    report(tmp_path, 1, "crash", 1.0, "ValueError: no such thing")
    exits(tmp_path, {0: -6, 1: 1})
    assert diagnose(tmp_path, 2, exit_code=1, timed_out_after_seconds=None).message == "ValueError: no such thing"


def test_an_abort_is_the_cause_where_the_others_only_lost_that_rank(tmp_path: Path) -> None:
    report(tmp_path, 0, "lost", 1.0)
    exits(tmp_path, {0: 1, 1: -6})
    failure = diagnose(tmp_path, 2, exit_code=1, timed_out_after_seconds=None)
    assert (failure.rank, failure.message) == (1, "rank 1 ended by SIGABRT")


def test_a_worker_of_an_older_ssdbench_does_not_tell_which_memory(tmp_path: Path) -> None:
    report(tmp_path, 0, "out_of_memory", 1.0)
    assert diagnose(tmp_path, 1, exit_code=1, timed_out_after_seconds=None).memory is None
