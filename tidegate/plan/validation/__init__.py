"""What the parts of a plan contradict in each other."""
