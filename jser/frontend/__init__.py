"""Waveform in, features out: jitted, static shapes, masks."""
