"""Emotional Speech Database (ESD), its English and its Mandarin half."""
