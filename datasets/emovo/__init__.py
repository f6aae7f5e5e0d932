"""EMOVO, emotional speech in Italian."""
