"""Flickr and Instagram (FI), pictures by the emotion that they call up."""
