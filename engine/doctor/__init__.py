"""What stands between a person and a rollout: one list, with a remedy for each line. Changes nothing."""
