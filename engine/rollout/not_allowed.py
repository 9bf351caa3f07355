"""What is refused to people; apart from what opens a rollout, so that whoever only refuses imports little."""


class NotAllowed(Exception):
    """The rollout may not start so; the sentence says what is allowed. Nothing was changed."""


class NotAuthorized(NotAllowed):
    """The person may not order that, or has not proven to be who they say; what was typed is in order."""
