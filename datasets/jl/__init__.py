"""JL corpus, emotional New Zealand English."""
