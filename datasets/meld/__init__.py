"""Multimodal EmotionLines Dataset (MELD)."""
