"""Tables of the archive. A row holds a line as it was written; its other columns serve to find it.

This is the newest version, which `migrations` reaches step by step.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, String, Table, Text

VERSION = "1"
"""The revision that this program reads and writes."""

VERSION_TABLE = "ssdbench_version"

METADATA = MetaData()

RUNS = Table(
    "ssdbench_runs",
    METADATA,
    Column("run_id", String, primary_key=True),
    Column("created_at", String, nullable=False, index=True),
    Column("header", Text, nullable=False),
)
# `number` is the order of arrival; a record is kept once, by its id, which says run, case key, stage, arm and launch.
RECORDS = Table(
    "ssdbench_records",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("run_id", ForeignKey(RUNS.c.run_id), nullable=False, index=True),
    Column("document", Text, nullable=False),
)
# Baselines, anchors and distributions: the first line, and all that follow it.
PLACES = Table(
    "ssdbench_places",
    METADATA,
    Column("kind", String, primary_key=True),
    Column("hardware_key", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("header", Text, nullable=False),
    Column("body", Text, nullable=False),
)
