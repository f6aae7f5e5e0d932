"""Sharif Emotional Speech Database (ShEMO), Persian."""
