"""What people are notified of, beside the loop and never in its way."""
