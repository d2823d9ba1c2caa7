"""What is inside of real images, and what changed, ranked by what workers loaded."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.containers.components import copied_distribution, copied_files
from ssdbench.harness.containers.images import inspect_image
from ssdbench.harness.containers.inside import InsideHere
from ssdbench.harness.containers.manifests import collect_manifest
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.stores.image_manifests import ImageManifests
from ssdbench.schema.manifest import ImageManifest
from tests.cli.conftest import Ssdbench
from tests.containers.conftest import REPOSITORY, Bench
from tests.containers.images import OWN_PACKAGES, files_with_levels, import_image
from tests.paced import write_paced

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]


@pytest.fixture(scope="session", params=["docker", "podman"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """An engine that also has two releases with packages of their own: 27.01, and 27.02, which sleeps longer."""
    found: Bench = request.getfixturevalue(request.param)
    for month, brake in ((1, 0), (2, 2)):
        library = (f"opt/fast/libfast.so.1.{month}", f"version {month}")
        files = (*files_with_levels(brake, 0, version=f"{month}.0"), library)
        import_image(found.engine, f"{REPOSITORY}:27.0{month}", files=files, CUDNN_VERSION=f"9.{month}")
    return found


def test_contents_are_listed_and_compared_before_anything_was_measured(
    bench: Bench, ssdbench: Ssdbench, tmp_path: Path
) -> None:
    file = ("--containers", str(bench.write(tmp_path)))
    done = ssdbench("containers", "manifest", "27.01", "--json", *file)
    assert done.returncode == ExitCode.OK, done.stderr
    found = json.loads(done.stdout)
    assert {item["name"]: item["version"] for item in found["installed"]} == dict.fromkeys(
        ("brake", "clutch", "horn", "unused"), "1.0"
    )
    assert found["variables"] == {"CUDNN_VERSION": "9.1"}
    changes = json.loads(ssdbench("containers", "diff", "27.01", "27.02", "--json", *file).stdout)
    assert {change["rank"] for change in changes["changes"]} == {"other"}
    assert len(changes["notes"]) == 2
    assert "no case was measured in bench:27.01 yet" in ssdbench("containers", "diff", "27.01", "27.02", *file).stdout


def test_a_library_and_a_distribution_of_one_image_stand_in_for_those_of_another(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    old, new = (inspect_image(bench.options, f"{REPOSITORY}:27.0{month}") for month in (1, 2))
    inside = InsideHere(options=bench.options)
    library = ("/opt/fast/libfast.so.1.1", "/opt/fast/libfast.so.1.2")
    files = copied_files(inside, old, "folder:/opt/fast", (library,))
    brake = copied_distribution(
        inside, old, "brake", place=f"/{OWN_PACKAGES}", info="brake-2.0.dist-info", python=new.python or ""
    )
    assert not isinstance(files, str)
    assert not isinstance(brake, str)
    loaded = {"objects": [library[1]], "modules": []}
    plain, swapped = (
        collect_manifest(inside, image, loaded, []) for image in (new, replace(new, overlays=(*files, *brake)))
    )
    assert isinstance(plain, ImageManifest)
    assert isinstance(swapped, ImageManifest)
    for manifest, text in ((plain, b"version 2"), (swapped, b"version 1")):
        assert [file.identity for file in manifest.loaded] == [f"sha256:{hashlib.sha256(text).hexdigest()}"]
    versions = [{item.name: item.version for item in found.installed} for found in (plain, swapped)]
    assert versions[0]["brake"] == "2.0"
    assert versions[1] == versions[0] | {"brake": "1.0"}
    assert bench.containers() == []


@pytest.mark.slow
def test_a_comparison_shows_what_its_workers_loaded_first_and_folds_the_rest_away(
    bench: Bench, ssdbench: Ssdbench, tmp_path: Path
) -> None:
    write_paced(tmp_path)
    asked = ("containers", "compare", "27.01", "27.02", "--suite", "paced.toml")
    done = ssdbench(*asked, "--containers", str(bench.write(tmp_path)))
    assert done.returncode == ExitCode.REGRESSED, done.stdout + done.stderr
    for part in ("brake (Python)", "imported, or owns mapped files that are the same", "None of it is known to be"):
        assert part in done.stdout
    assert "unused (Python)" not in done.stdout
    assert "2 more changes, of which no worker was seen to load anything" in done.stdout

    def ranks(comparison: dict[str, Any]) -> dict[str, str]:
        return {change["key"]: change["rank"] for change in comparison["contents"]["changes"]}

    found = ranks(json.loads(ssdbench("compare", "latest", "--json").stdout))
    assert found == {
        **{f"python:{name}": "loaded" for name in ("brake", "clutch", "horn")},
        "python:unused": "other",
        "variable:CUDNN_VERSION": "other",
    }
    store = FileStore(tmp_path / "results")
    image = store.load("latest").header.options.image
    assert image is not None
    manifest = ImageManifests(store.archive).of_image(image.id)
    assert manifest is not None
    assert [file.path.rpartition("/")[2] for file in manifest.loaded if file.path.endswith(".py")] == [
        "sitecustomize.py"
    ]
    assert any("libc.so" in file.path for file in manifest.loaded)
    assert ssdbench("store", "check").returncode == ExitCode.OK
    ssdbench("report", "latest", "--markdown", "short.md", "-o", "report.html")
    assert "brake (Python): 1.0 → 2.0" in (tmp_path / "short.md").read_text()
    assert "<details><summary>2 more changes" in (tmp_path / "report.html").read_text()
    assert bench.containers() == []
