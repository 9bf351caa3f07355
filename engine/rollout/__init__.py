"""A rollout in hand: opened, evaluated, monitored, steered and ended."""
