"""What a rank tells of its failure: the kind, the memory that ran out, and the reason on whichever line it stands."""

import errno
import json
from pathlib import Path

import pytest
import torch

from ssdbench.errors import DataError
from ssdbench.runtime import device, out_of_memory
from ssdbench.worker.exchange_files import write_failure

NCCL = "NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.hpp:275, "
UNHANDLED = "unhandled cuda error (run with NCCL_DEBUG=INFO for details), NCCL version 2.20.5"
CUDA_ERROR = f"{NCCL}{UNHANDLED}\nncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\n"
INTERNAL = (
    f"{NCCL}internal error - please report this issue to the NCCL developers, NCCL version 2.18.1\n"
    "ncclInternalError: Internal check failed.\nLast error:\n"
)
DALI = "Critical error in pipeline:\nError when executing Mixed operator ImageDecoder encountered:\n"
DALI_END = "\nCurrent pipeline object is no longer valid."
REMOTE = "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.\n"

# Texts as users met them; issues of the repositories named behind them.
OF_GPU = {
    "torch": "CUDA out of memory. Tried to allocate 1024.00 MiB (GPU 0; 15.90 GiB total capacity)",
    "cudaMalloc": "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
    "cudaMalloc, torch 2.8": "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://docs.nvidia.com",
    "driver": "CUDA driver error: out of memory",
    "cuDNN": "GET was unable to find an engine to execute this computation; cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN 9": "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "cuBLAS": "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "NCCL": f"{CUDA_ERROR}Cuda failure 'out of memory'",  # NVIDIA/nccl 1235
    "NCCL 2.21": f"{CUDA_ERROR}Cuda failure 2 'out of memory'",
    "DALI": f"{DALI}CUDA allocation failed{DALI_END}",  # NVIDIA/DALI 2836
    "DALI, with the size": f"{DALI}Can't allocate 129499136 bytes on device 0.{DALI_END}",  # NVIDIA/DALI 1137
    "nvJPEG": 'NVJPEG error "5" : NVJPEG_STATUS_ALLOCATOR_FAILURE',
}
OF_HOST = {
    "torch": "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 1152921504606846976 bytes. Error code 12 (Cannot allocate memory)",
    "C++": "std::bad_alloc",
    "DALI": f"{DALI}Can't allocate 129499136 bytes on host.{DALI_END}",
    "shared memory": "unable to mmap 1024 bytes from file </torch_1_2>: Cannot allocate memory (12)",
}
LOST = {
    "gloo": "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:2517",
    "gloo, reset": "[../third_party/gloo/gloo/transport/tcp/pair.cc:598] Connection reset by peer",
    "gloo, waiting": "[unbound_buffer.cc:81] Timed out waiting 10000ms for recv operation to complete",
    "gloo, other pairs": "[pair.cc:466] Application timeout caused pair closure",
    "store": "failed to recv, got 0 bytes. Connection was likely closed. Did the remote server shutdown or crash?",
    "NCCL": f"{NCCL}remote process exited or there was a network error, NCCL version 2.21.5\n{REMOTE}Last error:\n"
    "socketProgressOpt: Call to recv from 172.0.0.2<33759> failed : Connection reset by peer",  # NVIDIA/nccl 2076
    "NCCL, without a word": f"{NCCL}remote process exited or there was a network error, NCCL version 2.18.5\n{REMOTE}",
    "NCCL 2.18": f"{INTERNAL}Net : Connection closed by remote peer node1<47861>",  # NVIDIA/nccl 795, 1092
    "NCCL, async": "NCCL communicator was aborted on rank 2.  Original reason for failure was: [Rank 2] Watchdog "
    "caught collective operation timeout: WorkNCCL(SeqNum=10, OpType=BROADCAST, Timeout(ms)=1800000) ran for 1805457 "
    "milliseconds before timing out.",  # zai-org/GLM-130B 132
}
OWN = {
    "two ranks on one GPU": f"{NCCL}invalid usage (run with NCCL_DEBUG=WARN for details), NCCL version 2.20.5\n"
    "ncclInvalidUsage: This usually reflects invalid usage of NCCL library.\nLast error:\n"
    "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 10",  # verl-project/verl 161
    "a CUDA error": f"{CUDA_ERROR}Cuda failure 1 'invalid argument'",  # NVIDIA/nccl 1410
    "a CUDA error, from the watchdog": "NCCL communicator was aborted on rank 0.  Original reason for failure was: "
    f"NCCL error: {UNHANDLED}\nncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\n"
    "Cuda failure 999 'unknown error'",
    "the topology": f"{INTERNAL}Attribute busid of node nic not found",  # NVIDIA/nccl 1247
    "no shared memory": f"{NCCL}unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.18.6\n"
    "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.\nLast error:\n"
    "Error while creating shared memory segment /dev/shm/nccl-NzwJ7O (size 9637888)",  # NVIDIA/nccl 1518
    "no NCCL": "Distributed package doesn't have NCCL built in",
    "cuDNN cannot": "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous "
    "input.",
    "Triton": "out of resource: shared memory, Required: 106496, Hardware limit: 101376.",
    "a kernel": "CUDA error: an illegal memory access was encountered",
    "too many registers": "CUDA error: too many resources requested for launch",
    "cuBLAS without a driver": "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "a CUDA calloc": f"{CUDA_ERROR}Failed to CUDA calloc async 608 bytes",
}


def reported(folder: Path, error: BaseException) -> dict[str, object]:
    write_failure(folder, 0, None, error)
    content: dict[str, object] = json.loads((folder / "failure-0.json").read_text())
    return content


@pytest.mark.parametrize("text", OF_GPU.values(), ids=OF_GPU)
def test_each_library_says_in_its_own_words_that_the_gpu_has_no_memory_left(tmp_path, text):
    found = reported(tmp_path, RuntimeError(text))
    assert (found["kind"], found["memory"]) == ("out_of_memory", "gpu")


@pytest.mark.parametrize("text", OF_HOST.values(), ids=OF_HOST)
def test_host_memory_is_distinguished_from_gpu_memory(tmp_path, text):
    found = reported(tmp_path, RuntimeError(text))
    assert (found["kind"], found["memory"]) == ("out_of_memory", "host")


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Cannot fork")], ids=["Python", "fork"])
def test_python_and_the_system_have_types_for_it(tmp_path, error):
    assert reported(tmp_path, error)["memory"] == "host"


def test_torch_has_a_type_for_it_and_a_text(tmp_path):
    assert reported(tmp_path, torch.cuda.OutOfMemoryError("whatever it says"))["memory"] == "gpu"
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert reported(tmp_path, caught.value)["memory"] == "host"


@pytest.mark.parametrize("text", LOST.values(), ids=LOST)
def test_a_rank_that_lost_its_peer_is_not_the_cause(tmp_path, text):
    found = reported(tmp_path, RuntimeError(text))
    assert (found["kind"], found["memory"]) == ("lost", None)


@pytest.mark.parametrize("text", OWN.values(), ids=OWN)
def test_what_is_this_ranks_own_fault_is_neither(tmp_path, text):
    found = reported(tmp_path, RuntimeError(text))
    assert (found["kind"], found["memory"]) == ("crash", None)


@pytest.mark.parametrize("name", ["cuBLAS without a driver", "a CUDA calloc"])
@pytest.mark.parametrize(
    ("free_bytes", "kind"), [(2**20, "out_of_memory"), (2**33, "crash"), (None, "crash")], ids=["none", "plenty", "?"]
)
def test_what_has_other_causes_too_is_lack_of_memory_where_there_is_none(tmp_path, monkeypatch, name, free_bytes, kind):
    monkeypatch.setattr(out_of_memory, "free_gpu_memory_bytes", lambda: free_bytes)
    assert reported(tmp_path, RuntimeError(OWN[name]))["kind"] == kind


def test_without_a_gpu_in_use_its_free_memory_is_not_known():
    assert device.free_gpu_memory_bytes() is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            OWN["a CUDA error"],
            f"{UNHANDLED}; ncclUnhandledCudaError: Call to CUDA function failed.; Cuda failure 1 'in",
        ),
        (OWN["two ranks on one GPU"], "; Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 10"),
        (LOST["NCCL"], "; socketProgressOpt: Call to recv from 172.0.0.2<33759> failed : Connection reset by peer"),
        (OF_GPU["DALI"], "RuntimeError: Critical error in pipeline:; CUDA allocation failed"),
    ],
)
def test_a_reason_on_a_later_line_is_kept(tmp_path, text, says):
    assert says in str(reported(tmp_path, RuntimeError(text))["message"])


def test_the_stack_of_c_plus_plus_is_no_reason(tmp_path):
    text = f"{INTERNAL}\nException raised from getNCCLComm at ProcessGroupNCCL.cpp:1287 (most recent call first):"
    message = str(reported(tmp_path, RuntimeError(text))["message"])
    assert message.endswith("NCCL version 2.18.1; ncclInternalError: Internal check failed.")


def test_a_message_of_one_line_stays_as_it_is(tmp_path):
    assert reported(tmp_path, ValueError("no such thing"))["message"] == "ValueError: no such thing"


def test_a_decoder_without_memory_is_no_bad_image(tmp_path):
    error = DataError("DALI cannot read the images in train2017 (no reason given)")
    error.__cause__ = RuntimeError(OF_GPU["DALI"])
    found = reported(tmp_path, error)
    assert (found["kind"], found["memory"]) == ("out_of_memory", "gpu")
    assert "CUDA allocation failed" in str(found["message"])


def test_dali_itself_without_memory_on_the_host(tmp_path):
    dali = pytest.importorskip("nvidia.dali")

    @dali.pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def far_too_large():
        return dali.fn.random.uniform(range=(0.0, 1.0), shape=[2**20, 2**25])

    graph = far_too_large()
    graph.build()
    with pytest.raises(RuntimeError) as caught:
        graph.run()
    found = reported(tmp_path, caught.value)
    assert (found["kind"], found["memory"]) == ("out_of_memory", "host")
    assert str(found["message"]).endswith("; std::bad_alloc")
