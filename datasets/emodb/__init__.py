"""Berlin Database of Emotional Speech (EMO-DB)."""
