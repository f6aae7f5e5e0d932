"""IAPS-Subset, pictures of the IAPS by the emotion that they call up."""
