"""Feature flags in LaunchDarkly: semantic patches, which it refuses where the rules are no longer as they were read."""
