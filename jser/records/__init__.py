"""Sharded records: built from a corpus on disk, audited, and read back whole."""
