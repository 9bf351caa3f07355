"""Signing in to the dashboard by OpenID Connect: where people are sent, and what their return proves of them.

The code flow with PKCE, state and nonce. Whatever is missing, late, for somebody else or not understood is Refused.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, ClassVar
from urllib.parse import quote_plus, urlsplit

import httpx
from pydantic import Field, PrivateAttr, SecretStr, field_validator

from blocks.calls.addresses import shown_address
from blocks.calls.bounded import seconds_left
from blocks.calls.http_client import HttpClient
from blocks.calls.redaction import basic
from blocks.connection import Connection
from blocks.errors import Refused, Unreachable
from blocks.flags.http.http_answer import HttpAnswer
from tidegate.gates.identity import ProvenIdentity

CLOCKS = timedelta(seconds=30)  # how far the provider's clock may differ from ours
_KNOWN_SECONDS = 300.0  # how long the provider's own description is good
# Only what is signed with a key that nobody but the provider has.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
_EMAIL = r"[^@\s<>,;\"]{1,200}@[^@\s<>,;\"]{1,200}"
_MOST_ROLES = 200


@dataclass(frozen=True, slots=True)
class Errand:
    """One sign-in under way: where people come back to, and what only their browser and the token may repeat."""

    redirect: str
    state: str
    nonce: str
    verifier: str


class SignIn(HttpClient, Connection):
    """An OpenID Connect provider, at which people sign in to the dashboard."""

    _block_type_name: ClassVar[str | None] = "Tidegate Sign-in"
    _block_type_slug: ClassVar[str | None] = "tidegate-sign-in"
    _description: ClassVar[str | None] = "How people sign in to the dashboard, by OpenID Connect."

    issuer: str = Field(description="The provider's issuer, as it names itself.", pattern=r"^https?://[^\s?#]+$")
    client_id: str = Field(description="What the dashboard is called there.", min_length=1)
    client_secret: SecretStr = Field(description="The dashboard's secret there.", min_length=1)
    scopes: tuple[str, ...] = Field(default=("openid", "email"), description="What is asked for; openid has to be.")
    person_claim: str = Field(
        default="email",
        description="The claim of the ID token with the person's e-mail address; `email` counts only as verified.",
    )
    roles_claim: str = Field(default="groups", description="The claim of the ID token with the person's groups.")
    roles: dict[str, tuple[str, ...]] = Field(
        default={}, description="The groups that give a role of plans with `approvals: open`, by the role."
    )
    public_url: str = Field(
        default="",
        description="Where people reach the dashboard, for example https://gate.example; empty: on its own machine.",
        pattern=r"^(https?://[^\s/?#]+)?$",
    )
    session_minutes: float = Field(default=480, gt=0, le=1440, description="When a sign-in ends at the latest.")
    timeout_seconds: float = Field(default=10, gt=0, description="How long one request may take in all.")

    _known: tuple[float, dict[str, Any]] | None = PrivateAttr(default=None)

    @field_validator("issuer", "public_url")
    @classmethod
    def _is_secured(cls, url: str) -> str:
        if url.startswith("http://") and not is_on_this_machine(url):
            raise ValueError("allowed is https://, or http:// on this machine")
        return url

    @field_validator("scopes")
    @classmethod
    def _asks_for_a_token(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes or any(len(scope.split()) != 1 for scope in scopes):
            raise ValueError("allowed are words, one of them openid")
        return scopes

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        self._description_of_itself()
        self.trusted()
        return f"{self._whom} signs people in"

    def address(self, errand: Errand) -> str:
        """Where a browser is sent to sign in; raises Unreachable or Refused."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        return str(
            prepare_grant_uri(
                self._endpoint("authorization_endpoint"),
                client_id=self.client_id,
                response_type="code",
                redirect_uri=errand.redirect,
                scope=" ".join(self.scopes),
                state=errand.state,
                nonce=errand.nonce,
                code_challenge=create_s256_code_challenge(errand.verifier),
                code_challenge_method="S256",
            )
        )

    def who(self, errand: Errand, code: str, now: datetime) -> ProvenIdentity:
        """Who came back with this code; raises Unreachable, or Refused with the reason."""
        return self.proven(self.id_token(errand, code), errand.nonce, now)

    def id_token(self, errand: Errand, code: str) -> str:
        """The ID token for this code, not judged yet; raises Unreachable or Refused."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": errand.redirect,
            "code_verifier": errand.verifier,
        }
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        ways = self._description_of_itself().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        secret = self.client_secret.get_secret_value()
        if "client_secret_basic" in ways:
            headers["Authorization"] = basic(quote_plus(self.client_id), quote_plus(secret))
        else:
            form |= {"client_id": self.client_id, "client_secret": secret}
        answer = self._call("POST", self._endpoint("token_endpoint"), headers, str(httpx.QueryParams(form)))
        if answer.status != 200:
            # What it says of it may repeat the code.
            raise Refused(f"{self._whom} did not take the code of this sign-in ({answer.status})")
        token = _object(answer).get("id_token")
        if not isinstance(token, str):
            raise Refused(f"{self._whom} sent no ID token")
        return token

    def proven(self, token: str, nonce: str, now: datetime) -> ProvenIdentity:
        """What this ID token proves now, for the sign-in of this nonce; raises Unreachable, or Refused."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        if not nonce:
            raise Refused(f"{self._whom}: nobody has begun this sign-in")
        keys = _object(self._get(self._endpoint("jwks_uri")))
        options: dict[str, Any] = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.client_id},
        }
        params = {"client_id": self.client_id, "nonce": nonce}
        try:
            read = jwt.decode(token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]
            claims = CodeIDToken(read.claims, read.header, options, params)
            claims.validate(now=int(now.timestamp()), leeway=int(CLOCKS.total_seconds()))
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            # The error's own text may repeat the token.
            claim = getattr(error, "claim", "")
            what = f": {claim}" if isinstance(claim, str) and claim else ""
            raise Refused(f"{self._whom}: the ID token is not accepted ({type(error).__name__}{what})") from None
        return self._person(claims, now)

    def sign_out_address(self) -> str:
        """Where a person ends the provider's own session, or empty where it says no such place or does not answer."""
        try:
            url = self._description_of_itself().get("end_session_endpoint")
            return f"{self._secured(url)}?{httpx.QueryParams({'client_id': self.client_id})}" if url else ""
        except (Unreachable, Refused):
            return ""

    def _person(self, claims: Mapping[str, Any], now: datetime) -> ProvenIdentity:
        person, subject = claims.get(self.person_claim), claims.get("sub")
        if not isinstance(person, str) or re.fullmatch(_EMAIL, person) is None:
            raise Refused(f"{self._whom}: the claim {self.person_claim} holds no e-mail address")
        if self.person_claim == "email" and claims.get("email_verified") is not True:
            raise Refused(f"{self._whom}: the e-mail address is not verified there")
        if not isinstance(subject, str) or not subject:
            raise Refused(f"{self._whom}: the claim sub holds no name")
        groups = claims.get(self.roles_claim)
        # One word or a list of words; whatever else it is, it gives nothing.
        given = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        mine = {group for group in given if isinstance(group, str) and group}
        roles = tuple(role for role, wanted in self.roles.items() if mine & set(wanted))[:_MOST_ROLES]
        return ProvenIdentity(self.issuer, subject, person.lower(), roles, now.astimezone(UTC))

    @property
    def _whom(self) -> str:
        return f"the sign-in at {shown_address(self.issuer)}"

    def _endpoint(self, name: str) -> str:
        return self._secured(self._description_of_itself().get(name))

    def _secured(self, url: object) -> str:
        """An address that the provider gave; nothing is sent in the clear beyond this machine."""
        if not isinstance(url, str) or not (url.startswith("https://") or is_on_this_machine(url)):
            raise Refused(f"{self._whom}: its description holds an address that is not https")
        return url

    def _description_of_itself(self) -> dict[str, Any]:
        if self._known is not None and time.monotonic() - self._known[0] < _KNOWN_SECONDS:
            return self._known[1]
        found = _object(self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"))
        if found.get("issuer") != self.issuer:
            raise Refused(f"{self._whom}: it calls itself {str(found.get('issuer'))[:200]!r}")
        self._known = (time.monotonic(), found)
        return found

    def _get(self, url: str) -> HttpAnswer:
        answer = self._call("GET", url, {"Accept": "application/json"}, "")
        if answer.status != 200:
            raise Unreachable(f"{self._whom} answered {answer.status}")
        return answer

    def _call(self, method: str, url: str, headers: Mapping[str, str], body: str) -> HttpAnswer:
        whom, limit = self._whom, seconds_left(self.timeout_seconds)

        content = body.encode() if body else None
        try:
            found = self.exchange(whom, method, url, content=content, headers=headers, seconds=limit)
        # The originals' texts may repeat the request, the secret included.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unreachable(f"{whom}: no answer ({type(error).__name__})") from None
        return HttpAnswer(whom, found.status, found.headers, found.body)


def is_on_this_machine(url: str) -> bool:
    """Whether an address leads to this very machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _object(answer: HttpAnswer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(f"{answer.whom}: the answer is no object")
    return found
