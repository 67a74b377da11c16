"""Run the test cells in a trusted process, and turn how each ended into points."""
