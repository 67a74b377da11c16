"""What a check asks the checked code, and what came back: calls, comparisons, tolerances."""
