"""Files that ship with ssdbench: the one place that knows where they are, in a checkout and in an installed wheel."""

from importlib.resources import files
from pathlib import Path

SUITES = "suites"
PUBLISHED = "published"
CI = "ci"
MONITORING = "monitoring"


def resource(*names: str) -> Path:
    """The path of a file or folder of `ssdbench/resources`, whether it exists or not.

    Always a real path: pip and uv unpack a wheel, and ssdbench is never imported from a zip file, since its workers
    are processes that need it as a folder.
    """
    return Path(str(files("ssdbench"))).joinpath("resources", *names)
