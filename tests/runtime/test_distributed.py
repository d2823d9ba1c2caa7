"""How ranks meet under an older torch, by calls that are recorded: no machine here has a GPU for the real ones."""

import os
from typing import Any

import pytest
import torch
import torch.distributed as dist

from ssdbench.runtime import distributed
from ssdbench.runtime.distributed import ProcessGroup
from ssdbench.schema.case import RENDEZVOUS_FILE


class _Gpu:
    kind, torch_device = "cuda", torch.device("cuda", 1)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The calls of torch.distributed, of a launch of two ranks that torchrun started."""
    made: list[tuple[str, Any]] = []

    def new_group(*, timeout: object, backend: str) -> str:
        made.append(("group", backend))
        return "on GPUs"

    monkeypatch.delenv(RENDEZVOUS_FILE, raising=False)
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **_: made.append(("init", backend)))
    monkeypatch.setattr(dist, "new_group", new_group)
    monkeypatch.setattr(dist, "broadcast", lambda _tensor, src, group: made.append(("broadcast", group)))
    monkeypatch.setattr(distributed, "DistributedDataParallel", lambda model, **options: options["process_group"])
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    return made


def test_gradients_and_buffers_go_through_the_group_of_both_devices(calls: list[tuple[str, Any]]) -> None:
    group = ProcessGroup(_Gpu(), 10.0)  # type: ignore[arg-type]
    assert group.data_parallel(torch.nn.Linear(1, 1)) is None
    group.share_buffers(torch.nn.BatchNorm1d(1))
    assert calls == [("init", "cpu:gloo,cuda:nccl"), *[("broadcast", None)] * 3]


def test_before_torch_2_they_have_a_group_of_their_own(
    calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(dist.distributed_c10d, "BackendConfig")
    group = ProcessGroup(_Gpu(), 10.0)  # type: ignore[arg-type]
    assert group.data_parallel(torch.nn.Linear(1, 1)) == "on GPUs"
    group.share_buffers(torch.nn.BatchNorm1d(1))
    assert calls == [("init", "gloo"), ("group", "nccl"), *[("broadcast", "on GPUs")] * 3]
    assert group.backend == "cpu:gloo,cuda:nccl"


@pytest.mark.parametrize(("version", "expected"), [("2.1.2", "1"), ("1.13.0a0+936e930", "1"), ("2.2.0", None)])
def test_older_torch_gets_the_variable_under_the_name_that_it_knows(
    monkeypatch: pytest.MonkeyPatch, calls: list[tuple[str, Any]], version: str, expected: str | None
) -> None:
    monkeypatch.setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")
    monkeypatch.setenv("NCCL_ASYNC_ERROR_HANDLING", "0")  # so that it is put back afterwards
    monkeypatch.delenv("NCCL_ASYNC_ERROR_HANDLING")
    monkeypatch.setattr(torch, "__version__", version)
    ProcessGroup(_Gpu(), 10.0)  # type: ignore[arg-type]
    assert os.environ.get("NCCL_ASYNC_ERROR_HANDLING") == expected
