"""The shelf of stores: where records and baselines are kept."""
