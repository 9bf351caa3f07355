"""The channels that people are notified by."""
