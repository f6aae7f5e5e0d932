"""Populations: members, features, the loop, checkpoints."""
