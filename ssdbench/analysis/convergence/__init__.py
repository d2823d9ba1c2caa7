"""Accuracy over seeds: the rule, its verdicts, the early gate, distributions."""
