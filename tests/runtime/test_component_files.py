"""Parts of an image are copied out of it: a distribution by the folders that are its alone, or single files."""

import json
import sys
from pathlib import Path

import pytest

from ssdbench.runtime.component_files import copy_out, main, roots_of
from tests.runtime.test_contents import a_distribution


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two distributions that share the folder `nvidia`, and one that is a module."""
    folder = tmp_path / "site"
    a_distribution(
        folder, "nv_one", "1.0", {"nvidia/one/lib/a.so": "a", "nvidia/one/x.py": "", "one_tool/__init__.py": "one"}
    )
    a_distribution(folder, "nv-two", "1.0", {"nvidia/two/b.so": "b"})
    a_distribution(folder, "single", "1.0", {"single.py": "s", "__pycache__/single.cpython-311.pyc": "c", "../x": ""})
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


def test_the_largest_folders_that_are_a_distributions_own_are_its_roots(site: Path):
    assert roots_of("nv-one") == (site, ["nv_one-1.0.dist-info", "nvidia/one", "one_tool"])
    assert roots_of("nv-two") == (site, ["nv-two-1.0.dist-info", "nvidia/two"])
    assert roots_of("single") == (site, ["single-1.0.dist-info", "single.py"])


def test_a_distribution_that_is_not_there_or_has_no_list_of_files_is_refused(site: Path):
    with pytest.raises(LookupError, match="not installed"):
        roots_of("nothing")
    (site / "single-1.0.dist-info" / "RECORD").unlink()
    with pytest.raises(LookupError, match="no list of its files"):
        roots_of("single")


@pytest.mark.parametrize("asked", [{"distribution": "nv-one"}, {"files": []}])
def test_what_is_asked_for_is_copied_with_its_places(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, object]
):
    folder = tmp_path / "out"
    folder.mkdir()
    if "files" in asked:
        asked = {"files": [str(site / "single.py")]}
    (folder / "asked.json").write_text(json.dumps(asked))
    monkeypatch.setattr(sys, "argv", ["component_files", str(folder)])
    main()
    places = json.loads((folder / "places.json").read_text())
    if "files" in asked:
        assert places == [str(site / "single.py")]
        assert (folder / "files" / "0").read_text() == "s"
    else:
        assert places == ["nv_one-1.0.dist-info", "nvidia/one", "one_tool"]
        assert (folder / "files" / "1" / "lib" / "a.so").read_text() == "a"


def test_a_link_to_a_file_is_copied_as_that_file(tmp_path: Path):
    (tmp_path / "libx.so.1.2").write_text("x")
    (tmp_path / "libx.so.1").symlink_to("libx.so.1.2")
    copy_out([tmp_path / "libx.so.1"], tmp_path)
    assert not (tmp_path / "files" / "0").is_symlink()
    assert (tmp_path / "files" / "0").read_text() == "x"
