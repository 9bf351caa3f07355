"""One kind of question a module: what the samples say to it."""
