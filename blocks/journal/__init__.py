"""The journal's database: entries, claims, freezes."""
