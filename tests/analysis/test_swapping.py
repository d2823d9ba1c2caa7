"""Which components can be swapped from one image into another, and the reason for each that cannot."""

from dataclasses import replace

from ssdbench.analysis.swapping import candidates, words_of
from tests.analysis.test_contents import a_manifest, debian, file, python


def test_what_was_loaded_and_changed_is_swapped_in_the_order_of_its_rank():
    cudnn = ("/usr/lib/libcudnn.so.9.1.0", "/usr/lib/libcudnn.so.9.2.0")
    old = a_manifest(
        replace(python("pure", "1", loaded=True, content="aa"), place="/old/site", info="pure-1.dist-info"),
        debian("libcudnn9", "9.1", loaded=True), debian("vim", "1"),
        files=(file(cudnn[0], "aa", "debian:libcudnn9"),),
    )  # fmt: skip
    new = a_manifest(
        replace(python("pure", "2", loaded=True, content="bb"), place="/new/site", info="pure-2.dist-info"),
        debian("libcudnn9", "9.2", loaded=True), debian("vim", "2"),
        files=(file(cudnn[1], "bb", "debian:libcudnn9"),), image="sha256:new",
    )  # fmt: skip
    found = candidates(old, new)
    assert [(swap.key, swap.files, swap.distribution) for swap in found.swaps] == [
        ("debian:libcudnn9", (cudnn,), None),
        ("python:pure", (), "pure"),
    ]
    assert (found.swaps[1].place, found.swaps[1].info) == ("/new/site", "pure-2.dist-info")
    assert (found.left_out, found.not_loaded) == ({}, 1)


def test_what_cannot_be_swapped_has_its_reason():
    old = a_manifest(
        python("debian-made", "1", loaded=True), python("gone", "1", loaded=True, content="aa"),
        debian("libc6", "2.35", loaded=True), debian("libm", "1", loaded=True),
        files=(
            file("/lib/libc.so.6", "aa", "debian:libc6"), file("/lib/ld-linux-x86-64.so.2", "ld", "debian:libc6"),
            file("/usr/bin/python3.10", "aa", "interpreter:python"),
        ),
    )  # fmt: skip
    new = a_manifest(
        python("debian-made", "2", loaded=True), python("added", "1", loaded=True, content="aa"),
        debian("libc6", "2.39", loaded=True), debian("libm", "2", loaded=True),
        files=(
            file("/lib/libc.so.6", "ab", "debian:libc6"), file("/lib/ld-linux-x86-64.so.2", "le", "debian:libc6"),
            file("/usr/bin/python3.12", "ab", "interpreter:python"),
        ),
        image="sha256:new", python="3.12.3",
    )  # fmt: skip
    found = candidates(old, new)
    assert [swap.key for swap in found.swaps] == ["python:gone"]
    assert {key: reason[:24] for key, reason in found.left_out.items()} == {
        "debian:libc6": "the C library and its lo",
        "interpreter:python": "everything else was comp",
        "python:debian-made": "it has no list of its fi",
        "python:added": "the old image does not h",
        "debian:libm": "no file of it that was l",
    }
    assert "libc6 (Debian) cannot be swapped: the C library and its loader have to fit" in next(
        sentence for sentence in words_of(found.left_out) if "libc6" in sentence
    )


def test_a_distribution_that_the_new_image_lacks_goes_to_its_own_folder():
    old = a_manifest(python("gone", "1", loaded=True, content="aa"))
    (swap,) = candidates(old, a_manifest(image="sha256:new", site="/new/site")).swaps
    assert (swap.place, swap.info) == ("/new/site", None)


def test_of_libraries_in_a_folder_those_of_c_are_left_out_and_the_others_swapped():
    old = a_manifest(files=(file("/lib/libc.so.6", "aa"), file("/lib/libfast.so.1", "aa")))
    new = a_manifest(files=(file("/lib/libc.so.6", "ab"), file("/lib/libfast.so.2", "ab")), image="sha256:new")
    (swap,) = candidates(old, new).swaps
    assert swap.files == (("/lib/libfast.so.1", "/lib/libfast.so.2"),)
