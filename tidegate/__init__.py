"""The rules of a rollout: pure Python, without Prefect, network, clock or environment."""
