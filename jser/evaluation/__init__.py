"""Metrics, intervals, the locked test and the report."""
