"""Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D), acted and perceived labels."""
