"""Airplane Behaviour Corpus (ABC)."""
