"""Commands on one-time codes: whose they are, and the service that judges them."""
