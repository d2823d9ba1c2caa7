"""Stands in for ssdbench on the import path of a worker, so that nothing else of an installation is on it.

An installed ssdbench lies in a site-packages folder. A worker may run in another interpreter, and with that folder on
its path it would import the host's numpy or torch instead of its own.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[3]
__path__ = [str(_PACKAGE)]
__file__ = str(_PACKAGE / "__init__.py")
exec(compile(Path(__file__).read_text(encoding="utf-8"), __file__, "exec"))
