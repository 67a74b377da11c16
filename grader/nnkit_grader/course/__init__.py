"""What a course says: its folders, assignments, solutions, releases and settings."""
