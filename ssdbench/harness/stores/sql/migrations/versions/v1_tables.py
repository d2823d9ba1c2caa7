"""The first tables: runs, records, and the places of baselines, anchors and distributions."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """From an empty database."""
    op.create_table(
        "ssdbench_runs",
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("created_at", sa.String, nullable=False, index=True),
        sa.Column("header", sa.Text, nullable=False),
    )
    op.create_table(
        "ssdbench_records",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("run_id", sa.String, sa.ForeignKey("ssdbench_runs.run_id"), nullable=False, index=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "ssdbench_places",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("hardware_key", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("header", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
