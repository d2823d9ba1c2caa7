"""Images made from files of this machine: a loader, its libraries and a Python environment; nothing is downloaded.

The interpreter and the packages of the tests are mounted when the image runs; the image has an environment of its own
around them, so that two images can differ. Its `sitecustomize` plants what a variable of the image asks for: with
PLANTED_SLOWDOWN it lengthens every sleep, and every time from one optimiser step to the next, by that share; with
PLANTED_LABELS every detection has the label of the next category. With PLANTED_START trainings begin near the weights
of that file, since from random ones they take long to detect anything.
"""

import functools
import hashlib
import io
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ssdbench.schema.container import Engine

Files = tuple[tuple[str, str | bytes], ...]
PYTHON_FOLDER = "opt/python"
OWN_PACKAGES = f"{PYTHON_FOLDER}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"

SITECUSTOMIZE = '''
import importlib.machinery, os, sys, time

SHARE = float(os.environ.get("PLANTED_SLOWDOWN", "0"))
_sleep = time.sleep


class Planted:
    """Wraps the optimiser's step as soon as torch brings it."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "torch.optim.sgd":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            step, last = module.SGD.step, [None]

            def slower(self, *arguments, **named):
                if last[0] is not None:
                    _sleep(SHARE * (time.perf_counter() - last[0]))
                result = step(self, *arguments, **named)
                last[0] = time.perf_counter()
                return result

            module.SGD.step = slower

        spec.loader.exec_module = exec_module
        return spec


class PlantedFunction:
    """Replaces a function of a module as soon as that is loaded."""

    def __init__(self, module, function, planted):
        self.module, self.function, self.planted = module, function, planted

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            setattr(module, self.function, self.planted(getattr(module, self.function)))

        spec.loader.exec_module = exec_module
        return spec


def wrong_labels(decode):
    def decoded(*arguments, **named):
        return [one._replace(labels=one.labels % 80 + 1) for one in decode(*arguments, **named)]

    return decoded


def known_start(build_model):
    def build(context):
        import torch

        model = build_model(context)
        model.load_state_dict(torch.load(os.environ["PLANTED_START"], weights_only=True))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1 + 0.01 * torch.randn_like(parameter))  # by the seed
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.0
        return model

    return build


if os.environ.get("PLANTED_LABELS"):
    sys.meta_path.insert(0, PlantedFunction("ssdbench.ssd.boxes", "decode", wrong_labels))
if os.environ.get("PLANTED_START"):
    sys.meta_path.insert(0, PlantedFunction("ssdbench.workloads.model", "build_model", known_start))
if SHARE:
    time.sleep = lambda seconds: _sleep(seconds * (1 + SHARE))
    sys.meta_path.insert(0, Planted)
'''


# Two distributions double every sleep together, if their levels add up to 2. In an image with the variable
# NEEDS_HORN another version of that distribution ends the process, as a library does whose binary interface is another.
_LEVELS = """
import os
import time

if (os.environ.get("NEEDS_HORN") or horn.VERSION) != horn.VERSION:
    os.abort()

SHARE = 1.0 if brake.LEVEL + clutch.LEVEL >= 2 else 0.0
_sleep = time.sleep
time.sleep = lambda seconds: _sleep(seconds * (1 + SHARE))
"""


def files_with_levels(brake: int, clutch: int, *, version: str) -> tuple[tuple[str, str], ...]:
    """Files of an image that sleeps longer if the levels of its distributions add up to 2; further ones do nothing.

    All of them have this version, so that several things change from one image to the next.
    """
    texts = {"brake": f"LEVEL = {brake}\n", "clutch": f"LEVEL = {clutch}\n"}
    texts |= dict.fromkeys(("horn",), f"VERSION = {version!r}\n")
    imports = "".join(f"import {name}\n" for name in texts)
    found = {f"{OWN_PACKAGES}/sitecustomize.py": imports + _LEVELS}
    for name, text in texts.items():
        found |= _distribution(name, version, text)
    found |= _distribution("unused", version, "")
    return tuple(found.items())


def _distribution(name: str, version: str, text: str) -> dict[str, str]:
    info, digest = f"{name}-{version}.dist-info", hashlib.sha256(text.encode()).hexdigest()
    record = f"{name}/__init__.py,sha256={digest},{len(text)}\n{info}/METADATA,,\n{info}/RECORD,,\n"
    files = {
        f"{name}/__init__.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/RECORD": record,
    }
    return {f"{OWN_PACKAGES}/{path}": content for path, content in files.items()}


# Three libraries: one loaded by its path, one by its soname along the run path of a library that both images have. The
# third has a spare: it is loaded in place of one that does not end as the variable HORN of the image says.
_LIBRARIES = """
import ctypes
import os
import time
from pathlib import Path

ctypes.CDLL("/opt/brake/libbrake.so")
clutch = ctypes.CDLL("/opt/outer/libouter.so").outer()
horn = Path("/opt/horn/libhorn.so")
ctypes.CDLL(str(horn) if horn.read_bytes().endswith(os.environ["HORN"].encode()) else "/opt/spare/libhorn.so")
_sleep = time.sleep
time.sleep = lambda seconds: _sleep(seconds * (1 + clutch))
"""


def files_with_libraries(folder: Path, level: int) -> Files:
    """Files, made in `folder`, of an image with three shared libraries; it sleeps longer at level 1 of `clutch`.

    The image needs the variable HORN, which is the level.
    """
    outer = "int clutch(void); int outer(void) { return clutch(); }"
    made = {name: _library(folder, name, f"int {name}(void) {{ return {level}; }}") for name in ("brake", "clutch")}
    horn = _library(folder, "horn", "int horn(void) { return 0; }")
    made["outer"] = _library(folder, "outer", outer, "-L.", "-lclutch", "-Wl,-rpath,/opt/clutch")
    files = {f"opt/{name}/lib{name}.so{'.1' if name == 'clutch' else ''}": content for name, content in made.items()}
    files |= {"opt/horn/libhorn.so": horn + str(level).encode(), "opt/spare/libhorn.so": horn}
    return (*files.items(), (f"{OWN_PACKAGES}/sitecustomize.py", _LIBRARIES))


def _library(folder: Path, name: str, text: str, *words: str) -> bytes:
    (folder / f"{name}.c").write_text(text)
    linked = ("-shared", "-fPIC", "-nostdlib", "-Wl,--build-id=none", f"-Wl,-soname,lib{name}.so.1")
    command = ["gcc", *linked, "-o", f"lib{name}.so", f"{name}.c", *words]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / f"lib{name}.so").read_bytes()


@dataclass(frozen=True)
class Environment:
    """A Python environment of this machine: its interpreter (not a link), standard library and packages."""

    interpreter: str
    base: str
    version: str
    packages: str


HERE = Environment(
    interpreter=os.path.realpath(sys.executable),
    base=sys.base_prefix,
    version=f"{sys.version_info.major}.{sys.version_info.minor}",
    packages=sysconfig.get_path("purelib"),
)


def environment_of(python: str) -> Environment:
    """The environment of another interpreter."""
    program = "import os, sys, sysconfig; print(os.path.realpath(sys.executable), sys.base_prefix, "
    program += "'%d.%d' % sys.version_info[:2], sysconfig.get_path('purelib'), sep='\\n')"
    said = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout
    interpreter, base, version, packages = said.splitlines()
    return Environment(interpreter=interpreter, base=base, version=version, packages=packages)


def mounts(*environments: Environment) -> tuple[str, ...]:
    """Folders that images with these environments need from this machine: interpreters, and packages."""
    return tuple(dict.fromkeys(path for made in environments or (HERE,) for path in (made.base, made.packages)))


def import_image(
    engine: Engine,
    name: str,
    *,
    packages: bool = True,
    files: Files = (),
    environment: Environment = HERE,
    **variables: str,
) -> None:
    """Make an image of this name; without `packages` its interpreter has none. `files` are paths and their contents."""
    changes = {"PATH": f"/{PYTHON_FOLDER}/bin", **variables}
    settings = [part for key, value in changes.items() for part in ("--change", f"ENV {key}={value}")]
    settings += ["--change", f"LABEL org.example.made-for={name}"]
    command = [*engine.command, "import", *settings, "-", name]
    subprocess.run(command, input=_root_file_system(packages, environment, files), capture_output=True, check=True)


@functools.cache
def _root_file_system(packages: bool, environment: Environment, files: Files) -> bytes:
    own = f"{PYTHON_FOLDER}/lib/python{environment.version}/site-packages"
    interpreter = environment.interpreter
    texts: dict[str, str | bytes] = {
        "etc/passwd": "root:x:0:0:root:/:/bin/false\n",
        f"{PYTHON_FOLDER}/pyvenv.cfg": f"home = {Path(interpreter).parent}\ninclude-system-site-packages = false\n",
        f"{own}/sitecustomize.py": SITECUSTOMIZE,
        **dict(files),
    }
    if packages:
        texts[f"{own}/mounted.pth"] = f"{environment.packages}\n"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", dereference=True) as archive:
        for folder in ("tmp", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            archive.addfile(entry)
        for path, text in texts.items():
            entry = tarfile.TarInfo(path)
            written = text if isinstance(text, bytes) else text.encode()
            entry.size, entry.mode = len(written), 0o644
            archive.addfile(entry, io.BytesIO(written))
        link = tarfile.TarInfo(f"{PYTHON_FOLDER}/bin/python")
        link.type, link.linkname = tarfile.SYMTYPE, interpreter
        archive.addfile(link)
        for library in _libraries(environment):
            archive.add(library, arcname=library.lstrip("/"))
    return content.getvalue()


def _libraries(environment: Environment) -> list[str]:
    """The loader and the shared libraries of the interpreter and of torch that no mount brings."""
    standard = Path(environment.base) / "lib" / f"python{environment.version}" / "lib-dynload"
    torch = Path(environment.packages) / "torch"
    files = [environment.interpreter, *map(str, standard.glob("*.so")), *map(str, torch.glob("_C.*.so"))]
    return sorted(path for path in _needed(files) if not path.startswith(mounts(environment)))


def _needed(files: Iterable[str]) -> set[str]:
    # ldd's exit code tells of one file that is no dynamic one, which is no matter here.
    listed = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    words = (word for line in listed.splitlines() for word in line.split() if not line.endswith(":"))
    return {word for word in words if word.startswith("/") and Path(word).is_file()}
