"""Run directories and records on object stores, each with a local folder that mirrors it."""
