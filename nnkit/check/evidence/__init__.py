"""The evidence of a check: calls of the learner's code, findings, and comparisons with numerical derivatives."""
