"""ArtPhoto, photographs by the emotion that their artists meant."""
