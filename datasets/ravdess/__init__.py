"""Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), the speech part."""
