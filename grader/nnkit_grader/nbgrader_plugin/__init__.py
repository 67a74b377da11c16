"""The plugin that lets nbgrader and Formgrader grade through nnkit-grader."""
