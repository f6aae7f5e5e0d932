"""URDU, emotional speech from Urdu talk shows."""
