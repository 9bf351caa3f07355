"""The web dashboard: every rollout on one page, and the buttons of the release plan."""
