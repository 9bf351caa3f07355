"""Unleash as the demo's flag system: the real server, its people, and the service's flag by Unleash's own SDK."""
