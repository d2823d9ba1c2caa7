"""Plug-ins, one file per store: where records and baselines are kept."""
