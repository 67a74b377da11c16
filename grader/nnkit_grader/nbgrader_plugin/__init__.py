"""nbgrader and Formgrader, made to grade through nnkit-grader."""
