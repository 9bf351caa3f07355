"""Whom notices reach, and where they go."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, WrapSerializer

from tidegate.values.model import Address, Email, Model, Text
from tidegate.values.names import Channel
from tidegate.values.units import PositiveDuration

NO_CHANNELS = "none"


class Contact(Model):
    """Whom to reach, in order of escalation."""

    title: Text = Field(description="What they are.")
    email: Email = Field(description="Where they are reached.")


class Channels(Model):
    """Where notices go."""

    critical: Channel = Field(default="#alerts-critical", description="Pages and rollbacks.")
    warnings: Channel = Field(default="#alerts-warnings", description="Warning bounds crossed.")
    progress: Channel = Field(default="#releases", description="One thread for each rollout, with everything.")
    second_after: PositiveDuration = Field(
        default=timedelta(minutes=5), description="A channel that fails for longer is replaced by another (mail)."
    )
    dashboard: Address | None = Field(default=None, description="Where people reach the dashboard; each page links it.")

    @property
    def silent(self) -> bool:
        """Whether the plan says that nobody is notified."""
        return False


class NoChannels(Channels):
    """`channels: none`: nobody is notified, which the plan says itself."""

    @property
    def silent(self) -> bool:
        """Whether the plan says that nobody is notified."""
        return True


def _no_channels(value: object) -> object:
    return NoChannels() if value == NO_CHANNELS else value


def _as_written(value: Channels, otherwise: SerializerFunctionWrapHandler) -> object:
    return NO_CHANNELS if value.silent else otherwise(value)


ChannelsOrNone = Annotated[
    Channels,
    BeforeValidator(_no_channels, json_schema_input_type=Channels | Literal["none"]),
    WrapSerializer(_as_written),
]
