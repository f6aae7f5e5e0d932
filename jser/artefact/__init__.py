"""What leaves the laboratory: a trained system as one function of sound, and what uses it."""
