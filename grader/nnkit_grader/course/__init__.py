"""A course: its folders, assignments, solutions, releases and settings."""
