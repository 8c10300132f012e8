"""Widgets: Python computes the whole state, one small ES module draws it."""
