"""The forms in which people write derivatives, each turned into a gate that the steps of a check know."""
