"""Computational graphs drawn as SVG."""
