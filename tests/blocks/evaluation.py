"""What a real flagd provider serves from a file, each time asked anew so that nothing is waited for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import TypeMismatchError


@contextmanager
def provider_on(file: Path) -> Iterator[FlagdProvider]:
    """A provider that has read the file as it is now."""
    provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(file), deadline_ms=60_000)
    provider.initialize(EvaluationContext())
    try:
        yield provider
    finally:
        provider.shutdown()


def is_on(file: Path, flag: str, user: str, attributes: Mapping[str, str], *, default: bool = False) -> bool:
    """Whether this user is on the new path, of a boolean flag."""
    with provider_on(file) as provider:
        return bool(provider.resolve_boolean_details(flag, default, EvaluationContext(user, dict(attributes))).value)


def variant_of(file: Path, flag: str, user: str, attributes: Mapping[str, str]) -> str | None:
    """The name of the variant that this user is served, of a flag of whatever values."""
    context = EvaluationContext(user, dict(attributes))
    with provider_on(file) as provider:
        for resolve, default in (
            (provider.resolve_string_details, ""),
            (provider.resolve_boolean_details, False),
            (provider.resolve_float_details, 0.0),
            (provider.resolve_object_details, {}),
        ):
            with suppress(TypeMismatchError):
                return resolve(flag, default, context).variant  # type: ignore[operator]
    raise AssertionError(f"flag {flag} has a value of no known type")
