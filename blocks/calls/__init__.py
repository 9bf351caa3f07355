"""What every outside call has: a deadline, a checked address, and no secret in its errors."""
