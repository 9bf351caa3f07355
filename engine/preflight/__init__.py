"""Everything that can be looked at before anybody is exposed."""
