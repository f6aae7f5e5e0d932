"""Toronto emotional speech set (TESS)."""
