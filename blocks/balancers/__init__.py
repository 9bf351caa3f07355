"""Load balancers as the first step of a full rollback: everybody to legacy, whatever the flag says."""
