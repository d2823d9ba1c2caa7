"""What both wings speak of: frozen dataclasses of the standard library.

Every file that crosses the door or is kept carries `SCHEMA_VERSION`; see `results/README.md` for its history.
"""

SCHEMA_VERSION = 1
