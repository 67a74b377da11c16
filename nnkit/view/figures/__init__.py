"""The figures of the lectures, drawn with matplotlib."""
