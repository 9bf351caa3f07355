"""The watch: guards every open rollout that nobody else evaluates."""
