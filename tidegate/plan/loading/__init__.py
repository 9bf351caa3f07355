"""How a plan's file becomes a plan: strict YAML, its problems in words, its schema and reference page."""
