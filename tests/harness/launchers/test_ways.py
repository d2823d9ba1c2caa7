"""Ways into an image: what is asked of srun and of engines, and what is fetched once. The programs are stand-ins."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.engines import ENGINES
from ssdbench.harness.launchers.slurm.placement import PairNodes
from ssdbench.harness.launchers.ways.choice import way_of
from ssdbench.harness.launchers.ways.engine import EngineWay
from ssdbench.harness.launchers.ways.node_images import by_digest, identified, kept_images
from ssdbench.harness.launchers.ways.pyxis import enroot_name
from ssdbench.harness.launchers.ways.step import complaint
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.environment import Network
from ssdbench.schema.record import SlurmOptions
from tests.builders import a_case, a_measurement, a_record
from tests.harness.launchers.asked import DIGEST, IMAGE, Write, calls, contents, options, run

# Answers as srun does: keeps its words and its environment, saves what it has to save, runs the program here.
SRUN = """
import json, os, subprocess, sys
from pathlib import Path
here = Path(__file__).parent
if sys.argv[1:] == ["--help"]:
    print("--container-image=IMAGE [pyxis]")
    sys.exit()
with (here / "calls").open("a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
if (here / "broken").exists():
    print("slurmstepd: error: pyxis: failed to import", file=sys.stderr)
    print("srun: error: node1: task 0: Exited with exit code 1", file=sys.stderr)
    sys.exit(1)
words = dict(word.partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
if "--container-save" in words:
    Path(words["--container-save"]).write_text("image")
program = sys.argv[1:][[word.startswith("-") for word in sys.argv[1:]].index(False):]
sys.exit(subprocess.run(program).returncode)
"""
UMOCI = """
import json, sys
from pathlib import Path
bundle = Path(sys.argv[-1])
(bundle / "rootfs").mkdir(parents=True)
process = {"args": ["sh"], "env": ["PATH=/opt/bin", "A=1"], "cwd": "/", "rlimits": [{"type": "RLIMIT_NOFILE"}]}
shm = {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "size=65536k"]}
linux = {"namespaces": [{"type": kind} for kind in ("pid", "mount", "uts", "network")]}
config = {"process": process, "root": {"path": "rootfs"}, "hostname": "umoci", "mounts": [shm], "linux": linux}
(bundle / "config.json").write_text(json.dumps(config))
"""


@pytest.mark.parametrize(
    ("reference", "enroot"),
    [
        ("nvcr.io/nvidia/pytorch:24.09-py3", f"docker://nvcr.io#nvidia/pytorch:{DIGEST}"),
        (f"nvcr.io/nvidia/pytorch@{DIGEST}", f"docker://nvcr.io#nvidia/pytorch:{DIGEST}"),
        ("docker://127.0.0.1:5000/bench:26.01", f"docker://127.0.0.1:5000#bench:{DIGEST}"),
        ("pytorch/pytorch", f"docker://registry-1.docker.io#pytorch/pytorch:{DIGEST}"),
        ("python:3.12", f"docker://registry-1.docker.io#library/python:{DIGEST}"),
    ],
)
def test_an_image_is_named_to_enroot_by_registry_repository_and_digest(reference: str, enroot: str) -> None:
    image = replace(IMAGE, reference=reference)
    assert enroot_name(image) == enroot
    assert by_digest(image).endswith(f"@{DIGEST}")
    assert by_digest(image).count(":") == 1 + reference.count("127.0.0.1:5000")


def test_a_digest_in_a_name_is_taken_as_it_is_and_a_registry_that_does_not_answer_is_a_failure() -> None:
    assert identified(f"127.0.0.1:1/bench@{DIGEST}").digest == DIGEST
    found = identified("127.0.0.1:1/bench:26.01").failure
    assert found is not None
    assert found.message.startswith("127.0.0.1:1/bench:26.01 cannot be pulled: ")


def test_pyxis_gets_all_mounts_in_one_option_and_only_our_variables_win_over_those_of_the_image(
    write: Write, tmp_path: Path
) -> None:
    write("srun", SRUN)
    asked = options(tmp_path, "pyxis", mounts=("/opt/env",), variables={"TOKEN": "of the user"})
    words, environment = run("pyxis", tmp_path, asked, contents(tmp_path, gpu_uuids=("GPU-a", "GPU-b")))
    folder = tmp_path / "launch"
    assert {"--overlap", "--nodes=1", "--ntasks=1", "--jobid=7", "--nodelist=node1", "--cpus-per-task=16"} < {*words}
    assert f"--container-workdir={folder}" in words
    assert f"--container-image={tmp_path}/kept/node1/{'ab' * 32}.sqsh" in words
    mounts = "/checkout/ssdbench:/ssdbench-source/ssdbench:ro,/opt/env:/opt/env:ro,/data:/data:ro"
    assert f"--container-mounts={mounts},{folder}:{folder}" in words
    (names,) = (word for word in words if word.startswith("--container-env="))
    ours = {"PYTHONPATH", "PYTHONSAFEPATH", "PYTHONUNBUFFERED", "OMP_NUM_THREADS", "TOKEN", "NVIDIA_VISIBLE_DEVICES"}
    assert {*names.removeprefix("--container-env=").split(",")} == ours
    assert environment["TOKEN"] == "of the user"
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "GPU-a,GPU-b"
    assert environment["HOME"] == os.environ["HOME"]  # enroot reads accounts there, and has a home of its own inside
    assert "OF_THE_HOST" not in environment
    assert not [word for word in words if "of the user" in word]


def test_pyxis_imports_an_image_once_a_node_and_keeps_nothing_of_one_that_failed(write: Write, tmp_path: Path) -> None:
    srun = write("srun", SRUN)
    way = way_of(options(tmp_path, "pyxis"))
    srun.with_name("broken").touch()
    failure = way.fetch(IMAGE)
    assert failure is not None
    assert failure.message == (
        f"{IMAGE.reference} cannot be pulled on node1: slurmstepd: error: pyxis: failed to import"
    )
    assert not [path for path in (tmp_path / "kept" / "node1").iterdir() if path.suffix != ".lock"]
    srun.with_name("broken").unlink()
    assert way.fetch(IMAGE) is None
    assert way.fetch(IMAGE) is None
    imports = [words for words, _ in calls(tmp_path) if f"--container-image={enroot_name(IMAGE)}" in words]
    assert len(imports) == 2
    assert (tmp_path / "kept" / "node1" / f"{'ab' * 32}.sqsh").read_text() == "image"


def test_srun_without_the_plug_in_is_named_with_its_node(write: Write, tmp_path: Path) -> None:
    write("srun", "print('--nodes')")
    with pytest.raises(EnvironmentLacksError, match="srun on node1 has no --container-image: Pyxis is not installed"):
        way_of(options(tmp_path, "pyxis")).fetch(IMAGE)


def unpacked(write: Write, tmp_path: Path) -> None:
    write("srun", SRUN)
    write("skopeo", "")
    write("umoci", UMOCI)
    way = way_of(options(tmp_path, "oci", python="a-program-of-the-image"))
    with pytest.raises(EnvironmentLacksError, match="Slurm ignores --container on node1"):
        way.fetch(IMAGE)  # the stand-in runs the program here, as a Slurm without oci.conf does


def test_an_image_that_slurm_would_not_enter_measures_nothing_and_is_unpacked_once(
    write: Write, tmp_path: Path
) -> None:
    unpacked(write, tmp_path)
    write("umoci", "raise SystemExit('called twice')")
    with pytest.raises(EnvironmentLacksError, match=r"it has no oci\.conf there"):
        way_of(options(tmp_path, "oci")).fetch(IMAGE)


@pytest.mark.parametrize("network", [False, True])
def test_a_bundle_has_the_mounts_of_the_launch_and_the_image_stays_as_it_is(
    write: Write, tmp_path: Path, network: bool
) -> None:
    unpacked(write, tmp_path)
    asked = options(tmp_path, "oci", shared_memory="8g", variables={"TOKEN": "of the user"})
    words, environment = run("oci", tmp_path, asked, contents(tmp_path, network=network))
    bundle = tmp_path / "kept" / "node1" / f"{'ab' * 32}.bundle"
    assert f"--container={bundle}" in words
    text = (bundle / "config.json").read_text()
    assert "of the user" not in text
    config = json.loads(text)
    assert config["root"] == {"path": "rootfs", "readonly": True}
    assert config["process"]["cwd"] == str(tmp_path / "launch")
    assert "rlimits" not in config["process"]
    mounts = {mount["destination"]: mount for mount in config["mounts"]}
    assert mounts["/dev/shm"]["options"] == ["nosuid", "size=8g"]
    assert mounts["/ssdbench-source/ssdbench"]["source"] == "/checkout/ssdbench"
    assert [mounts[path]["options"][-1] for path in ("/data", str(tmp_path / "launch"))] == ["ro", "rw"]
    assert ("/etc/hosts" in mounts) == (network and Path("/etc/hosts").is_file())
    kinds = {namespace["type"] for namespace in config["linux"]["namespaces"]}
    assert ("network" in kinds, "uts" in kinds) == (not network, not network)
    assert config.get("hostname") == (None if network else "localhost")
    # Slurm lets the environment of the step win over that of the image.
    assert (environment["PATH"], environment["TOKEN"], environment["HOME"]) == ("/opt/bin", "of the user", "/tmp")
    assert "OF_THE_HOST" not in environment


ENGINE = """
import sys
from pathlib import Path
here = Path(__file__).parent
if "pull" in sys.argv:
    (here / "pulled").write_text(sys.argv[-1])
    sys.exit()
sys.exit(0 if (here / "pulled").exists() and not (here / "other").exists() else 1)
"""


def test_an_engine_pulls_by_digest_what_is_missing_and_an_image_without_one_is_a_failure(
    write: Write, tmp_path: Path
) -> None:
    engine = write("engine", ENGINE)
    docker = replace(ENGINES["docker"], command=(str(engine),), names=())
    way = EngineWay(ContainerOptions(engine=docker, node_images=str(tmp_path / "kept")))
    local = replace(IMAGE, id="sha256:1234", digest=None)
    failure = way.fetch(local)
    assert failure is not None
    there = f"{IMAGE.reference} cannot be pulled on node1: sha256:1234 is not there"
    assert failure.message == f"{there}, and has no digest: push it to a registry"
    assert not engine.with_name("pulled").exists()
    engine.with_name("other").touch()
    failure = way.fetch(IMAGE)
    assert failure is not None
    assert failure.message.endswith(f"{by_digest(IMAGE)} is not {DIGEST} there")
    engine.with_name("other").unlink()
    assert way.fetch(IMAGE) is None
    assert engine.with_name("pulled").read_text() == f"nvcr.io/nvidia/pytorch@{DIGEST}"


def test_images_are_kept_only_where_nobody_else_can_change_them(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    for folder, said in ((shared, "is not yours alone"), (Path("/dev/null/x"), "cannot keep images")):
        with pytest.raises(EnvironmentLacksError, match=f"{said}.*: choose another folder as `node_images`"):
            kept_images(ContainerOptions(engine=ENGINES["docker"], node_images=str(folder)))
    made = kept_images(ContainerOptions(engine=ENGINES["docker"], node_images=str(tmp_path / "own")))
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_what_slurm_says_first_is_the_reason_and_not_that_a_task_has_ended() -> None:
    log = "srun: error: node1: task 0: Exited with exit code 1\nslurmstepd: error: pyxis: no space\nthe last line\n"
    assert complaint(log) == "slurmstepd: error: pyxis: no space"
    assert complaint("Traceback\nValueError: x\n") == "ValueError: x"
    assert complaint("some text\nthe last line\n") == "the last line"


def test_pairs_over_several_nodes_stay_where_the_first_launch_was() -> None:
    wide, one = a_case(world_size=2, nodes=2), a_case()
    asked = SlurmOptions(nodelist="node1")
    nodes = PairNodes()
    assert nodes.options(wide, asked) == asked
    nodes.note(one, "node1")
    nodes.note(wide, "node[1,3]")
    nodes.note(wide, "node[1-2]")
    assert nodes.options(wide, asked).nodelist == "node[1,3]"
    assert nodes.options(one, asked) == asked
    network = Network(rank_hosts=("node3", "node1"), backend="gloo", interface=None)
    resumed = PairNodes([a_record(case=wide, measurement=a_measurement(case=wide, network=network))])
    assert resumed.options(wide, asked).nodelist == "node1,node3"
