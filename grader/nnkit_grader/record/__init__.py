"""Recording of results: the journal, nbgrader's gradebook, the graded notebook."""
