"""An image as a file of Apptainer; the program is a stand-in that keeps its words and its environment."""

from pathlib import Path

from ssdbench.harness.launchers.ways.choice import way_of
from ssdbench.schema.record import ContainerImage
from tests.harness.launchers.asked import DIGEST, IMAGE, Write, calls, contents, options, run

APPTAINER = """
import json, os, sys
from pathlib import Path
here = Path(__file__).parent
with (here / "calls").open("a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
if sys.argv[1] == "pull":
    if (here / "broken").exists():
        print("INFO: getting it", "FATAL: While making image: no space", sep="\\n", file=sys.stderr)
        sys.exit(255)
    Path(sys.argv[-2]).write_text("image")
"""


def test_apptainer_fetches_an_image_into_a_file_once_a_node_and_keeps_nothing_of_one_that_failed(
    write: Write, tmp_path: Path
) -> None:
    program = write("apptainer", APPTAINER)
    way = way_of(options(tmp_path, "apptainer"))
    program.with_name("broken").touch()
    failure = way.fetch(IMAGE)
    assert failure is not None
    assert failure.message == f"{IMAGE.reference} cannot be pulled on node1: FATAL: While making image: no space"
    program.with_name("broken").unlink()
    assert way.fetch(IMAGE) is None
    assert way.fetch(IMAGE) is None
    kept = tmp_path / "kept" / "node1"
    assert [path.name for path in kept.iterdir() if path.suffix != ".lock"] == [f"{'ab' * 32}.sif"]
    part = f"{kept}/{'ab' * 32}.part"
    asked = ["pull", "--disable-cache", part, f"docker://nvcr.io/nvidia/pytorch@{DIGEST}"]
    assert [words for words, _ in calls(tmp_path)] == [asked, asked]


def test_apptainer_runs_the_file_of_the_node_with_nothing_of_the_hosts(write: Write, tmp_path: Path) -> None:
    write("apptainer", APPTAINER)
    asked = options(tmp_path, "apptainer", mounts=("/opt/env",), variables={"TOKEN": "of the user"})
    words, environment = run("apptainer", tmp_path, asked, contents(tmp_path, gpu_uuids=("GPU-a",)))
    folder = tmp_path / "launch"
    assert words[:5] == ["exec", "--cleanenv", "--no-home", "--writable-tmpfs", f"--pwd={folder}"]
    assert "--nv" in words
    read_only = ["/checkout/ssdbench:/ssdbench-source/ssdbench:ro", "/opt/env:/opt/env:ro", "/data:/data:ro"]
    assert [f"--bind={mount}" for mount in (*read_only, f"{folder}:{folder}")] == [
        word for word in words if word.startswith("--bind=")
    ]
    assert f"{tmp_path}/kept/node1/{'ab' * 32}.sif" in words
    assert environment["APPTAINERENV_TOKEN"] == "of the user"
    assert not [word for word in words if "of the user" in word]


def test_an_image_file_that_the_user_names_is_run_as_it_is(write: Write, tmp_path: Path) -> None:
    write("apptainer", APPTAINER)
    file = tmp_path / "bench.sif"
    way, image = way_of(options(tmp_path, "apptainer")), ContainerImage(reference=str(file), id=DIGEST)
    failure = way.fetch(image)
    assert failure is not None
    assert failure.message == f"{file} on node1: no such file"
    file.write_text("image")
    assert way.fetch(image) is None
    assert not (tmp_path / "programs" / "calls").exists()
