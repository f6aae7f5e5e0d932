"""nEMO, emotional speech in Polish."""
