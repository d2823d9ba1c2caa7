"""Make the folder that a GPU machine without a network needs beside the source tree.

    python -m benchmarks.gpu.bundle OUT [--python 3.12] [--sm 90] [--without-dali]

OUT gets `whl/`, the wheels that a machine with PyTorch lacks (ON_THE_MACHINE is what it has), found by following the
metadata of what is installed here, in the versions that are installed here; and `dali.tar.xz`, DALI for one Python and
one GPU architecture. Then it is proved: in an environment that has only what ON_THE_MACHINE names and what the
bundle brings, every module of the host side is imported and `ssdbench --help` is run.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from benchmarks.gpu.bundle_check import prove
from benchmarks.gpu.thin_fatbin import thin_file

# What an environment with PyTorch was seen to have; their own needs are there with them. typing-extensions is there
# too, but may be older than pydantic wants: the bundle brings its own, which comes first.
ON_THE_MACHINE = frozenset(
    {
        *("torch", "torchvision", "triton", "numpy", "pillow", "packaging", "six", "setuptools"),
        *("nvidia-ml-py", "psutil", "typer", "rich", "jinja2", "markupsafe", "matplotlib", "scipy", "pandas"),
        *("pytest", "hypothesis"),
    }
)
# What is to run there: the project, DALI, COCO's evaluation, and what the tests' configuration names.
WANTED = ("ssdbench", "nvidia-dali-cuda130", "pycocotools", "pytest-timeout")
# Their libraries come with dali.tar.xz.
_IN_ARCHIVE = ("nvidia-dali", "nvidia-nvimgcodec", "nvidia-libnvcomp", "nvidia-nvjpeg")
_NEVER = {"ssdbench", "tomli"}

_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (5, 12, 17, 24, 26, 27, 28, 31)] + ["manylinux2014_x86_64"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the bundle and prove it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--python", default="3.12", help="Python of the GPU machine")
    parser.add_argument("--sm", type=int, default=90, help="compute capability of its GPU without the dot: 90 for H100")
    parser.add_argument("--without-dali", action="store_true", help="wheels alone")
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    needs = missing(asked.python)
    print("wheels:", ", ".join(f"{name} {version}" for name, version in needs.items()), flush=True)
    download(needs, asked.python, asked.out / "whl")
    if not asked.without_dali:
        print("DALI: some minutes ...", flush=True)
        archive_dali(asked.python, asked.sm, asked.out / "dali.tar.xz")
    brought = {canonicalize_name(parse_wheel_filename(path.name)[0]) for path in (asked.out / "whl").glob("*.whl")}
    said = prove(frozenset(brought) | ON_THE_MACHINE)
    print(said.strip())
    total = sum(path.stat().st_size for path in asked.out.rglob("*") if path.is_file())
    print(f"{asked.out}: {total / 2**20:.1f} MiB")
    return 0


def missing(python: str) -> dict[str, str]:
    """What the wanted packages need and the machine lacks: names and the versions installed here."""
    found: dict[str, str] = {}
    ahead = [canonicalize_name(name) for name in WANTED]
    while ahead:
        name = ahead.pop()
        if name in ON_THE_MACHINE or name in found:
            continue
        here = distribution(name)
        if name not in _NEVER and not name.startswith(_IN_ARCHIVE):
            found[name] = here.version
        if not name.startswith(_IN_ARCHIVE[1:]):
            ahead += needs_of(here, python)
    return dict(sorted(found.items()))


def needs_of(package: Distribution, python: str) -> Iterator[NormalizedName]:
    """The names a package requires on Linux and this Python, extras left out."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    for text in package.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            if name not in _NEVER:
                yield name


def download(needs: dict[str, str], python: str, folder: Path) -> None:
    """Fetch wheels of these very versions for that Python."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python, "--dest", str(folder)]
    command += [word for platform in _PLATFORMS for word in ("--platform", platform)]
    subprocess.run([*command, *(f"{name}=={version}" for name, version in needs.items())], check=True)


def archive_dali(python: str, sm: int, target: Path) -> None:
    """DALI and the codecs it decodes JPEG with, their GPU code thinned to one architecture, as a compressed archive."""
    nvidia = Path(str(distribution("nvidia-dali-cuda130").locate_file("nvidia")))
    with tempfile.TemporaryDirectory() as temporary:
        stage = Path(temporary)
        _copy_dali(nvidia, stage, f"cpython-{python.replace('.', '')}")
        for library in (path for path in stage.rglob("*.so*") if path.is_file()):
            thin_file(library, sm)
            if shutil.which("strip"):
                subprocess.run(["strip", "--strip-unneeded", str(library)], check=False, stderr=subprocess.DEVNULL)
        with tarfile.open(target, "w:xz", preset=9) as archive:
            archive.add(stage, arcname=".")


def _copy_dali(nvidia: Path, stage: Path, tag: str) -> None:
    def unwanted(folder: str, names: list[str]) -> set[str]:
        others = {name for name in names if ".cpython-" in name and tag not in name}
        headers = {"include"} if Path(folder).name == "dali" else set()
        texts = {name for name in names if name.endswith(".pyi") or name in ("Acknowledgements.txt", "COPYRIGHT")}
        return others | headers | texts | {"__pycache__"}

    shutil.copytree(nvidia / "dali", stage / "nvidia" / "dali", ignore=unwanted)
    for info in nvidia.parent.glob("nvidia_dali_cuda130-*.dist-info"):
        shutil.copytree(info, stage / info.name)
    # The machine has an `nvidia` of its own (cuBLAS and others): both are one package.
    path = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
    (stage / "nvidia" / "__init__.py").write_text(path, encoding="utf-8")
    codecs = ["nvimgcodec/__init__.py", "nvimgcodec/libnvimgcodec.so.0", "cu13/lib/libnvjpeg.so.13"]
    codecs += [path.relative_to(nvidia).as_posix() for path in (nvidia / "nvimgcodec").glob(f"nvimgcodec_impl.{tag}*")]
    extensions = (nvidia / "nvimgcodec" / "extensions").glob("lib*jpeg*_ext.so.*")
    codecs += [path.relative_to(nvidia).as_posix() for path in extensions if "jpeg2k" not in path.name]
    for name in codecs:
        (stage / "nvidia" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(nvidia / name, stage / "nvidia" / name)


if __name__ == "__main__":
    sys.exit(main())
