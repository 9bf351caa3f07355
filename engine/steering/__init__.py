"""What people order of a rollout: changes of its plan, holds, graduation, upkeep."""
