"""Laws are about values: how long a busy machine takes to check one is no finding."""

from hypothesis import settings

# settings() is whatever is in force already, such as the fewer examples of the copy in test_shape.py.
settings.register_profile("rules", settings(), deadline=None)
settings.load_profile("rules")
