"""The archive in a database: SQLite for one machine, PostgreSQL for a fleet."""
