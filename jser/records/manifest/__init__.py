"""A table of the user's own as a corpus: `jser build manifest --manifest=my.csv`."""
