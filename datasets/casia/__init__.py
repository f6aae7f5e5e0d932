"""CASIA Chinese emotional corpus, the part that is passed around."""
