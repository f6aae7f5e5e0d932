"""Surrey Audio-Visual Expressed Emotion database (SAVEE)."""
