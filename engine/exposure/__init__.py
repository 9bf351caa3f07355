"""Who gets the new path: raised under a permit, lowered by anybody, kept by a lease."""
