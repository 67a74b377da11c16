"""Verdicts in words and in HTML."""
