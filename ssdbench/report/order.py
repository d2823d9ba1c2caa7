"""A large order effect as a sentence, for every output."""

from ssdbench.schema.verdict import Comparison


def order_text(comparison: Comparison) -> str:
    """What the effect of the order within pairs means; empty where it is small, or there are no pairs."""
    effect = comparison.order_effect
    return f"order within pairs: {effect.sentence}" if effect and effect.sentence else ""
