"""eNTERFACE'05 audio-visual emotion database."""
