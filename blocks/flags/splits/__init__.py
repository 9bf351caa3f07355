"""Traffic splits as flags: a load balancer that sends a share of the users to the new path, by a hash of the user."""
