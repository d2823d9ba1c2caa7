"""The order in which a graph is warmed up, recorded and replayed, by a recorder that is no GPU."""

import pytest
import torch
from torch import Tensor

from ssdbench.errors import EnvironmentLacksError
from ssdbench.runtime.graph import CudaRecorder, Graph
from tests.runtime.recorder import Recorder


class Doubling:
    """Writes twice its input into a tensor of its own, and counts in a buffer how often it ran."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder, self.output, self.runs = recorder, torch.zeros(3), torch.zeros(1)
        self.addresses: set[int] = set()

    def __call__(self, values: Tensor) -> Tensor:
        self.recorder.calls.append("work")
        self.addresses.add(values.data_ptr())
        self.runs += 1
        return self.output.copy_(2 * values)


def test_three_runs_aside_then_the_recording_then_only_replays() -> None:
    recorder = Recorder()
    work = Doubling(recorder)
    graph = Graph(work, [torch.ones(3)], recorder=recorder)
    assert recorder.calls == ["aside", "work", "work", "work", "back", "record", "work"]
    del recorder.calls[:]
    graph(torch.ones(3))
    graph(torch.ones(3))
    assert recorder.calls == ["replay", "work"] * 2


def test_every_input_is_copied_to_where_the_recorded_work_reads() -> None:
    recorder = Recorder()
    work = Doubling(recorder)
    graph = Graph(work, [torch.ones(3)], recorder=recorder)
    for value in (5.0, 7.0):
        given = torch.full((3,), value)
        output = graph(given)
        assert output.tolist() == [2 * value] * 3
        assert given.data_ptr() not in work.addresses
    assert len(work.addresses) == 1
    assert output is work.output  # the next call overwrites it


def test_the_memory_layout_of_an_input_is_that_of_the_first() -> None:
    recorder, seen = Recorder(), []
    images = torch.zeros(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)

    def work(values: Tensor) -> Tensor:
        seen.append(values.is_contiguous(memory_format=torch.channels_last))
        return values

    Graph(work, [images], recorder=recorder)
    assert all(seen)


def test_what_the_warm_up_must_not_change_is_restored_before_the_recording() -> None:
    recorder = Recorder()
    work = Doubling(recorder)
    recorder._recorded = lambda: [work.runs]
    graph = Graph(work, [torch.ones(3)], restored=[work.runs], recorder=recorder)
    assert work.runs.item() == 0
    graph(torch.ones(3))
    assert work.runs.item() == 1


def test_an_input_too_many_is_an_error() -> None:
    recorder = Recorder()
    graph = Graph(Doubling(recorder), [torch.ones(3)], recorder=recorder)
    with pytest.raises(ValueError, match="zip"):
        graph(torch.ones(3), torch.ones(3))


def test_a_torch_whose_recording_other_threads_abort_records_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    class OlderGraph:
        def __init__(self, cuda_graph: object, pool: object = None) -> None: ...

    CudaRecorder()
    monkeypatch.setattr(torch.cuda, "graph", OlderGraph)
    with pytest.raises(EnvironmentLacksError, match=r"CUDA graphs need torch 2\.1 or newer"):
        CudaRecorder()
