"""The verdict rule and what it needs."""
