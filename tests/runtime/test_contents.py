"""What an image says of itself: loaded files, their build-ids and owners, distributions and Debian packages."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.runtime.contents import INTERPRETER, contents
from ssdbench.runtime.elf import build_id
from ssdbench.runtime.loaded_files import hashes_below, loaded_files


def a_distribution(folder: Path, name: str, version: str, files: dict[str, str]) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    listed = [f"{path},sha256={hashlib.sha256(text.encode()).hexdigest()},{len(text)}" for path, text in files.items()]
    (info / "RECORD").write_text("\n".join([*listed, f"{info.name}/METADATA,,", f"{info.name}/RECORD,,"]) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path with two distributions, and a module of neither."""
    folder = tmp_path / "site"
    a_distribution(folder, "Good_Brakes", "1.0", {"brakes/__init__.py": "", "brakes/disc.py": ""})
    a_distribution(folder, "unused", "2.0", {"unused.py": ""})
    (folder / "sitecustom.py").write_text("x = 1\n")
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


def test_mapped_objects_and_imported_modules_are_listed_without_data_files(tmp_path: Path):
    maps = tmp_path / "maps"
    maps.write_text(
        "7f00-7f01 r-xp 00000000 08:01 1  /usr/lib/liba b.so.1\n"
        "7f01-7f02 r--p 00000000 08:01 1  /usr/lib/locale-archive\n"
        "7f02-7f03 r-xp 00000000 08:01 1  /usr/lib/gone.so (deleted)\n"
        "7f03-7f04 r-xp 00000000 00:00 0  [vdso]\n"
        "7f04-7f05 rw-p 00000000 00:00 0\n"
    )
    found = loaded_files(maps)
    assert found["objects"] == ["/usr/lib/liba b.so.1"]
    assert __file__ not in found["objects"]
    assert pytest.__file__ in found["modules"]
    assert loaded_files(tmp_path / "none")["objects"] == []


def test_hashes_are_told_of_what_was_loaded_at_a_place_or_below_and_of_nothing_else(tmp_path: Path):
    for name in ("brakes/__init__.py", "brakes/disc.so", "brakes2/__init__.py", "libclutch.so.1.2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to(tmp_path / "brakes")
    loaded = {
        "objects": [str(tmp_path / name) for name in ("libclutch.so.1.2", "brakes/disc.so", "gone.so")],
        "modules": [str(tmp_path / name) for name in ("link/__init__.py", "brakes2/__init__.py")],
    }
    places = [str(tmp_path / name) for name in ("brakes", "libclutch.so.1.2", "libclutch.so", "gone.so")]
    expected = {places[0]: ("__init__.py", "disc.so"), places[1]: (".",), places[2]: (), places[3]: ()}
    found = hashes_below(loaded, places)
    assert {place: tuple(sorted(hashes)) for place, hashes in found.items()} == expected
    assert found[places[1]] == {".": hashlib.sha256(b"libclutch.so.1.2").hexdigest()}


def test_this_process_has_its_interpreter_mapped():
    assert any(Path(path).samefile(sys.executable) for path in loaded_files()["objects"])


@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf")
def test_build_ids_are_those_that_binutils_read():
    objects = [path for path in loaded_files()["objects"] if Path(path).is_file()][:20]
    for path in objects:
        notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
        ids = [line.split()[-1] for line in notes.splitlines() if "Build ID" in line]
        assert build_id(Path(path)) == (ids[0] if ids else None), path
    assert any(build_id(Path(path)) for path in objects)


@pytest.mark.parametrize("keep", [0, 3, 40, 63, 64, 200])
def test_a_file_that_is_cut_off_has_no_build_id(tmp_path: Path, keep: int):
    (tmp_path / "cut.so").write_bytes(Path(sys.executable).read_bytes()[:keep])
    assert build_id(tmp_path / "cut.so") is None
    assert build_id(tmp_path / "missing.so") is None


def test_distributions_have_their_versions_and_only_imported_ones_are_loaded(site: Path):
    loaded = {"objects": [], "modules": [str(site / "brakes" / "__init__.py"), str(site / "sitecustom.py")]}
    found = contents(loaded, [], dpkg=site / "none")
    packages = {item["name"]: item for item in found["installed"]}
    assert {name: (item["version"], item["loaded"]) for name, item in packages.items()} == {
        "good-brakes": ("1.0", True),
        "unused": ("2.0", False),
    }
    assert packages["good-brakes"]["info"] == "Good_Brakes-1.0.dist-info"
    assert [(item["path"], item["owner"]) for item in found["loaded"]] == [(str(site / "sitecustom.py"), None)]
    digest = hashlib.sha256(b"x = 1\n").hexdigest()
    assert found["loaded"][0]["identity"] == f"sha256:{digest}"


def test_equal_versions_with_other_files_are_told_apart(site: Path):
    before = contents({"objects": [], "modules": []}, [], dpkg=site / "none")["installed"]
    shutil.rmtree(site / "unused-2.0.dist-info")
    a_distribution(site, "unused", "2.0", {"unused.py": "slow = True\n"})
    after = contents({"objects": [], "modules": []}, [], dpkg=site / "none")["installed"]
    changed = [old["name"] for old, new in zip(before, after, strict=True) if old["content"] != new["content"]]
    assert changed == ["unused"]


def test_what_is_mounted_is_no_part_of_the_image(site: Path):
    loaded = {"objects": [sys.executable], "modules": [str(site / "sitecustom.py")]}
    found = contents(loaded, [site, Path(sys.executable).resolve().parent], dpkg=site / "none")
    assert (found["installed"], found["loaded"]) == ([], [])


def test_files_belong_to_the_debian_packages_that_list_them(site: Path, tmp_path: Path):
    library = site / "libfast.so.1"
    library.write_bytes(b"fast")
    info = tmp_path / "dpkg" / "info"
    info.mkdir(parents=True)
    (tmp_path / "dpkg" / "status").write_text(
        "Package: libfast1\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.2-3\nDescription: fast\n"
        " Version: of a description\n\n"
        "Package: removed\nStatus: deinstall ok config-files\nVersion: 1\n\nbroken stanza\n"
    )
    (info / "libfast1:amd64.list").write_text(f"/.\n{library}\n")
    found = contents({"objects": [str(library)], "modules": []}, [], dpkg=tmp_path / "dpkg")
    debian = [item for item in found["installed"] if item["origin"] == "debian"]
    assert [(item["name"], item["version"], item["loaded"]) for item in debian] == [("libfast1", "1.2-3", True)]
    assert [item["owner"] for item in found["loaded"]] == ["debian:libfast1"]


def test_python_itself_owns_its_standard_library(site: Path):
    found = contents({"objects": [str(Path(sys.executable).resolve())], "modules": []}, [], dpkg=site / "none")
    assert [item["owner"] for item in found["loaded"]] == [INTERPRETER]
