"""The manifest of an image: what an untrusted image says of itself is bounded, and odd entries are left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from ssdbench.harness.containers.manifests import LOADED_FILES, manifest_of, read_loaded
from ssdbench.harness.stores import codec
from ssdbench.schema.manifest import ImageManifest
from ssdbench.schema.record import ContainerImage

IMAGE = ContainerImage(reference="bench:1", id="sha256:abc")
PACKAGE = {"origin": "python", "name": "torch", "version": "2.1.0+cu121", "loaded": True, "place": "/opt/site"}
FILE = {"path": "/usr/lib/a.so", "bytes": 10, "identity": "build-id:ab12", "owner": "debian:liba1"}


def manifest(**found: Any) -> ImageManifest:
    return manifest_of(IMAGE, {"python": "3.10.12", "site": "/opt/site"} | found, ["case"])


def test_what_an_image_says_is_its_manifest_and_can_be_stored():
    found = manifest(installed=[PACKAGE], loaded=[FILE], variables={"CUDA_VERSION": "12.1.0"})
    assert [(item.key, item.version, item.loaded) for item in found.installed] == [
        ("python:torch", "2.1.0+cu121", True)
    ]
    assert [(item.path, item.owner) for item in found.loaded] == [("/usr/lib/a.so", "debian:liba1")]
    assert (found.variables, found.cases, found.left_out) == ({"CUDA_VERSION": "12.1.0"}, ("case",), 0)
    assert codec.read(ImageManifest, codec.stored(found), "here", is_stored=True) == found


@pytest.mark.parametrize(
    "odd",
    [
        {"name": "a b"}, {"name": "../x"}, {"name": ""}, {"name": "x" * 201}, {"name": 3}, {"name": "<b>"},
        {"version": "1\n2"}, {"version": None}, {"version": "1;rm"}, {"origin": "rpm"}, {"origin": ["python"]},
        {"name": "torch\u202e"},
    ],
)  # fmt: skip
def test_a_package_of_an_odd_form_is_left_out_and_counted(odd: dict[str, Any]):
    found = manifest(installed=[PACKAGE, PACKAGE | odd])
    assert (len(found.installed), found.left_out) == (1, 1)


@pytest.mark.parametrize(
    "odd",
    [
        {"path": "a.so"}, {"path": "/a\x00b"}, {"path": "/" + "a" * 2000}, {"path": None}, {"path": "/\ud800"},
        {"bytes": -1}, {"bytes": 2**70}, {"bytes": True}, {"bytes": "1"}, {"identity": "md5:ab"},
        {"identity": "sha256:"},
    ],
)  # fmt: skip
def test_a_file_of_an_odd_form_is_left_out_and_counted(odd: dict[str, Any]):
    found = manifest(loaded=[FILE, FILE | odd])
    assert (len(found.loaded), found.left_out) == (1, 1)


def test_an_answer_of_wrong_types_is_an_empty_manifest():
    for odd in (None, 3, "x", {"a": 1}, [3, None, "x"]):
        found = manifest(installed=odd, loaded=odd, variables=odd, python=odd, site=odd)
        assert (found.installed, found.loaded, found.variables) == ((), (), {})
        assert (found.python, found.site) == ("unknown", "/")


def test_more_entries_than_any_image_has_are_left_out():
    many = [PACKAGE | {"name": f"p{number}"} for number in range(20_005)]
    found = manifest(installed=many)
    assert (len(found.installed), found.left_out) == (20_000, 5)


def test_only_variables_that_name_versions_are_kept_and_no_secret():
    variables = {
        "CUDNN_VERSION": "9.1", "DALI_VERSION": "1.2", "HF_TOKEN": "hf_12345678", "API_KEY_VERSION": "abc12345",
        "SESSION_VERSION": "hf_12345678", "TRT_VERSION": "https://user:pass@host", "CUDA_HOME": "/usr",
    }  # fmt: skip
    assert manifest(variables=variables).variables == {"CUDNN_VERSION": "9.1", "DALI_VERSION": "1.2"}


@pytest.mark.parametrize("content", ["", "[", "[1]", '{"objects": 3}', '{"objects": ["a", 3, null]}', "[" * 100_000])
def test_what_a_launch_left_is_read_whatever_it_is(tmp_path: Path, content: str):
    (tmp_path / LOADED_FILES).write_text(content)
    assert read_loaded(tmp_path) == {"objects": set(), "modules": set()}
    assert read_loaded(tmp_path / "none") == {"objects": set(), "modules": set()}


def test_what_a_launch_left_is_read(tmp_path: Path):
    (tmp_path / LOADED_FILES).write_text(json.dumps({"objects": ["/a.so", "relative"], "modules": ["/b.py"]}))
    assert read_loaded(tmp_path) == {"objects": {"/a.so"}, "modules": {"/b.py"}}
