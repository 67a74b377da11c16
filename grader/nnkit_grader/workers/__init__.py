"""Who does the work: a class is a list of independent jobs for warm worker processes."""
