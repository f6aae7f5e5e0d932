"""One ml_collections file a system; the argument names the corpus."""
