"""The arguments that the host writes for torchrun mean the same to it when they are spelled as older ones know them."""

from torch.distributed import run

from ssdbench.harness.launchers.torchrun import worker_command
from ssdbench.schema.case import LaunchRequest
from ssdbench.worker.launch import _as_older_torch_spells
from tests.builders import a_case


def test_torchrun_understands_both_spellings_alike() -> None:
    case = a_case(world_size=4, nodes=2)
    request = LaunchRequest(schema_version=1, case=case, launch=0, seed=1, output="/a-b/c")
    rendezvous = ("--rdzv-endpoint=some-host:1234", "--rdzv-conf=is_host=1,join-timeout=3")
    arguments = worker_command("python", request, rendezvous, "an-id")[4:]
    spelled = _as_older_torch_spells(arguments)
    names = [word[2:].partition("=")[0] for word in spelled[: spelled.index("-m")] if word.startswith("--")]
    assert names
    assert not [name for name in names if "-" in name]
    assert arguments[arguments.index("-m") :] == spelled[spelled.index("-m") :]
    assert "/a-b/c/ranks" in spelled
    assert run.parse_args(spelled) == run.parse_args(arguments)
