"""The statistics behind comparisons, with the source of each formula."""
