"""MSP-Podcast corpus, releases 1.x and later with a table of consensus labels."""
