"""The catalogue of mistakes, and the search for the one that was made."""
