"""The effects: absolute, repeatable, fenced, read back, recorded; no Prefect on their hot paths."""
