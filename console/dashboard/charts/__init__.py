"""What the dashboard draws: a metric over its reviews, and the new path against the old one."""
