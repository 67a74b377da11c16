"""Which mistake it is: the catalogue of mistakes, and the search through it."""
