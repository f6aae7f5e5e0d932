"""Synthetic emotional speech, made by a formant synthesiser: for trying things, not for claims."""
