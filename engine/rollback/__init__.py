"""Zero for everybody first, its proof, and the further steps."""
