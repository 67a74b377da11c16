"""Execution of a class: a list of independent jobs for warm worker processes, on this machine or on a Dask cluster."""
