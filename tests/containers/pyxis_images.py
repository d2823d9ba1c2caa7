#!/usr/bin/python3
"""`pyxis_images.py IMAGE FOLDER FILE`: unpacks an image into a folder, in place of enroot; saves it to FILE, if any.

Images are in enroot's notation, docker://REGISTRY#REPOSITORY:TAG, or a file that was saved before, here an archive.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PREFIX = "docker://"


def fetch(image: str, folder: Path) -> None:
    registry, _, rest = image.removeprefix(PREFIX).partition("#")
    repository, _, tag = rest.partition(":")
    name = f"docker://{registry}/{repository}{'@' if tag.startswith('sha256:') else ':'}{tag}"
    with tempfile.TemporaryDirectory() as made:
        copied = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", name, f"oci:{made}/layout:image"]
        subprocess.run(copied, check=True)
        subprocess.run(["umoci", "unpack", "--image", f"{made}/layout:image", f"{made}/bundle"], check=True)
        process = json.loads(Path(made, "bundle", "config.json").read_text())["process"]
        environment = Path(made, "bundle", "rootfs", "etc", "environment")
        environment.parent.mkdir(exist_ok=True)
        environment.write_text("".join(f"{word}\n" for word in process.get("env", ())))
        subprocess.run(["cp", "-a", f"{made}/bundle/rootfs/.", str(folder)], check=True)


def main() -> None:
    image, folder, saved = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    if image.startswith(PREFIX):
        fetch(image, folder)
    else:
        subprocess.run(["tar", "-C", str(folder), "-xf", image], check=True)
    if saved:
        subprocess.run(["tar", "-C", str(folder), "-cf", saved, "."], check=True)


if __name__ == "__main__":
    main()
