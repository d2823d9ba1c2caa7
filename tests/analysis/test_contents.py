"""What changed inside an image is ranked: mapped files first, then packages that were loaded, then the rest."""

from dataclasses import replace
from typing import Any

import pytest

from ssdbench.analysis.contents import content_changes, stem
from ssdbench.schema.manifest import ImageManifest, Installed, LoadedFile


def a_manifest(
    *installed: Installed, files: tuple[LoadedFile, ...] = (), image: str = "sha256:old", **other: Any
) -> ImageManifest:
    values = {"python": "3.10.12", "site": "/site", "cases": ("case",), "reference": image} | other
    return ImageManifest(
        schema_version=4, image_id=image, collected_at="2026-01-01T00:00:00+00:00", installed=installed, loaded=files,
        **values,
    )  # fmt: skip


def python(name: str, version: str, *, loaded: bool = False, content: str | None = None) -> Installed:
    return Installed(origin="python", name=name, version=version, loaded=loaded, content=content)


def debian(name: str, version: str, *, loaded: bool = False) -> Installed:
    return Installed(origin="debian", name=name, version=version, loaded=loaded)


def file(path: str, identity: str, owner: str | None = None, size: int = 10) -> LoadedFile:
    return LoadedFile(path=path, bytes=size, identity=f"build-id:{identity}", owner=owner)


def test_changes_are_ranked_and_equal_things_are_not_listed():
    old = a_manifest(
        python("torch", "2.1", loaded=True), python("six", "1.0"), python("pure", "1", loaded=True),
        debian("libcudnn9", "9.1", loaded=True), debian("vim", "1"), python("same", "3", loaded=True),
        files=(
            file("/usr/lib/libcudnn.so.9.1.0", "aa", "debian:libcudnn9", 100),
            file("/site/t/_C.so", "bb", "python:torch"),
            file("/usr/lib/libz.so.1.2", "zz", "debian:zlib1g"),
        ),
        variables={"CUDA_VERSION": "12.1"},
    )  # fmt: skip
    new = a_manifest(
        python("torch", "2.2", loaded=True), python("six", "1.1"), python("pure", "2", loaded=True),
        debian("libcudnn9", "9.2", loaded=True), debian("vim", "2"), python("same", "3", loaded=True),
        files=(
            file("/usr/lib/libcudnn.so.9.2.0", "ab", "debian:libcudnn9", 200),
            file("/site/t/_C.so", "bc", "python:torch"),
            file("/usr/lib/libz.so.1.3", "zz", "debian:zlib1g"),
        ),
        image="sha256:new", variables={"CUDA_VERSION": "12.2"},
    )  # fmt: skip
    found = content_changes(old, new)
    assert [(item.rank, item.key, item.baseline, item.candidate) for item in found.changes] == [
        ("mapped", "debian:libcudnn9", "9.1", "9.2"),
        ("mapped", "python:torch", "2.1", "2.2"),
        ("loaded", "python:pure", "1", "2"),
        ("other", "debian:vim", "1", "2"),
        ("other", "python:six", "1.0", "1.1"),
        ("other", "variable:CUDA_VERSION", "12.1", "12.2"),
    ]
    assert found.changes[0].files == ("libcudnn.so.9.2.0",)
    assert found.notes == ()


def test_another_build_of_one_version_is_a_change_and_both_are_told_apart():
    old = a_manifest(python("torch", "2.1", loaded=True, content="aaaaaaaaaa"))
    new = a_manifest(python("torch", "2.1", loaded=True, content="bbbbbbbbbb"))
    (change,) = content_changes(old, new).changes
    assert (change.rank, change.baseline, change.candidate) == ("loaded", "2.1 (aaaaaaaa)", "2.1 (bbbbbbbb)")


def test_files_of_no_package_are_those_of_a_folder_and_modules_stand_alone():
    old = a_manifest(files=(file("/opt/hpcx/libucp.so.0.1", "aa"), file("/lib/python3.10/site/sitecustomize.py", "cc")))
    new = a_manifest(files=(file("/opt/hpcx/libucp.so.0.2", "ab"), file("/lib/python3.12/site/sitecustomize.py", "cd")))
    found = content_changes(old, new).changes
    assert [(item.rank, item.key, item.baseline, item.candidate) for item in found] == [
        ("mapped", "file:/lib/python3/site/sitecustomize.py", "cc", "cd"),
        ("mapped", "folder:/opt/hpcx", "aa", "ab"),
    ]


def test_a_file_that_one_image_alone_has_loaded_counts_if_the_same_cases_were_measured():
    old = a_manifest(python("dali", "1", loaded=True))
    new = a_manifest(python("dali", "1", loaded=True), files=(file("/site/dali/extra.so", "aa", "python:dali"),))
    assert [item.key for item in content_changes(old, new).changes] == ["python:dali"]
    other = content_changes(old, replace(new, cases=("case", "another")))
    assert other.changes == ()
    assert "not the same cases" in other.notes[0]


def test_an_image_in_which_nothing_was_measured_is_said_to_be_that():
    found = content_changes(a_manifest(cases=()), a_manifest(cases=(), left_out=3, image="sha256:new"))
    assert [note.partition(":")[0] for note in found.notes] == [
        "no case was measured in sha256",
        "no case was measured in sha256",
        "3 entries of sha256",
    ]


def test_a_package_that_one_image_lacks_is_a_change():
    (change,) = content_changes(a_manifest(python("apex", "0.1")), a_manifest()).changes
    assert (change.baseline, change.candidate) == ("0.1", "-")


def test_another_python_is_a_change_of_python_itself():
    here = (file("/usr/bin/python3.10", "aa", "interpreter:python"),)
    there = (file("/usr/bin/python3.12", "bb", "interpreter:python"),)
    found = content_changes(a_manifest(files=here), a_manifest(files=there, python="3.12.3")).changes
    assert [(item.key, item.baseline, item.candidate) for item in found] == [
        ("interpreter:python", "3.10.12", "3.12.3")
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("libcudnn.so.9.1.0", "libcudnn.so"), ("libcudnn_ops.so.9", "libcudnn_ops.so"), ("_C.so", "_C.so"),
        ("_C.cpython-310-x86_64-linux-gnu.so", "_C.so"), ("x.abi3.so", "x.so"), ("libjpeg.b1a87dc0.so.8", "libjpeg.so"),
        ("libgfortran-040039e1-0352e75f.so.5.0.0", "libgfortran.so"), ("libfoo-2.31.so", "libfoo.so"),
        ("libtorch_cpu.so", "libtorch_cpu.so"), ("python3.10", "python3.10"),
    ],
)  # fmt: skip
def test_names_of_files_lose_their_versions(name: str, expected: str):
    assert stem(name) == expected
