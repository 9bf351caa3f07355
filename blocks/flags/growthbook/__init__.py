"""Feature flags in GrowthBook: revisions, whose publishing GrowthBook refuses where somebody else was faster."""
