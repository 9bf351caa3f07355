"""Something to deploy: a service with a legacy and a new path, real load, faults on demand, and the local stack."""
