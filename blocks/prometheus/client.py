"""The one place that speaks HTTP to Prometheus and turns every failure into a value."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, urlencode

from blocks.calls.addresses import shown_address
from blocks.calls.bounded import seconds_left
from blocks.calls.http_access import HttpLogin
from blocks.prometheus.answers import MetricAnswer, incomplete
from blocks.prometheus.server_clock import ServerClock
from tidegate.values.samples import NoData, NoDataReason

_KEPT = 32
_RULES_GOOD_FOR_SECONDS = 1.0
_ANOTHER_CLOCK = timedelta(seconds=1)
# A look asks what the look before asked; written for a form character by character, that is a third of asking it.
_written = lru_cache(maxsize=128)(quote_plus)


class Asking:
    """A prometheus-api-client with one deadline a call, no retries of its own, and the warnings and clock it drops.

    Instants are ours; they are asked for by Prometheus' own clock where the two differ by more than a second.
    """

    def __init__(self, url: str, timeout_seconds: float, access: HttpLogin) -> None:
        # Imported here: the client brings requests, which a process that only rolls back does not need.
        import requests
        from prometheus_api_client import PrometheusConnect
        from requests.utils import get_netrc_auth
        from urllib3.util.retry import Retry

        from blocks.prometheus.deadline_session import DeadlineAdapter, DeadlineSession

        clock, noted, undated = ServerClock(), threading.local(), threading.Event()
        prepared: dict[str, requests.PreparedRequest] = {}

        class NotingSession(DeadlineSession):
            """Sends a POST's parameters in the body; the client would make an address of any length of them."""

            def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]
                sent = time.monotonic()
                # Redirections are not followed: that would carry our headers to another host.
                if method == "POST":
                    form = self._form(url, options.get("params"))
                    response = self.send(form, proxies=self.proxies, allow_redirects=False)
                else:
                    response = super().request(method, url, **{**options, "allow_redirects": False})
                clock.answered(response.headers.get("Date"), response.headers.get("Age"), sent, time.monotonic())
                if "Date" not in response.headers:
                    undated.set()
                noted.answer = Noted.of(response, access)
                return response

            def _form(self, url: str, fields: Any) -> requests.PreparedRequest:
                """To be sent; what is the same for every question is prepared once, which costs as much as sending."""
                same = None if self.cookies else prepared.get(url)
                if same is None:
                    form = {"Content-Type": "application/x-www-form-urlencoded"}
                    same = self.prepare_request(requests.Request("POST", url, headers=form))
                    if "Cookie" not in same.headers:  # a cookie ends when the server says so
                        prepared[url] = same
                one = same.copy()
                one.body = urlencode(fields or {}, quote_via=_written).encode()
                one.headers["Content-Length"] = str(len(one.body))
                return one

        self._url = url
        self._timeout = timeout_seconds
        self._noted = noted
        self._clock, self._undated = clock, undated
        self._rules: tuple[float, MetricAnswer] | None = None
        self._rules_lock = threading.Lock()
        self._session = NotingSession()
        self._session.total_seconds = timeout_seconds
        self._session.headers.update(access.sent_headers() | access.authorization())
        self._client = PrometheusConnect(
            url, session=self._session, retry=Retry(total=0), timeout=timeout_seconds, method="POST"
        )
        # A look asks everything at once: as many connections are kept as there are questions. An answer that does not
        # come in time is named as such, and not as a retry that was used up.
        self._session.mount(url, DeadlineAdapter(max_retries=Retry(total=0, read=False), pool_maxsize=_KEPT))
        # Proxies, certificates and logins of the environment are read once, not from disk at each request.
        found = self._session.merge_environment_settings(url, {}, None, None, None)
        self._session.proxies, self._session.verify = found["proxies"], found["verify"]
        self._session.auth = None if access.authorization() else get_netrc_auth(url)
        self._session.trust_env = False
        if access.ca_file:
            self._session.verify = access.ca_file
        if proxy := access.proxy_address():
            self._session.proxies = {"http": proxy, "https": proxy}

    def query(self, query: str, at: datetime | None) -> MetricAnswer:
        """The result of an instant query; without an instant, Prometheus' own now."""

        def ask(shift: timedelta) -> Any:
            params = {"timeout": f"{self._timeout:g}s"}
            if at is not None:
                params["time"] = f"{(at + shift).timestamp():.3f}"
            return self._client.custom_query(query, params)

        return self._answer(ask, at)

    def query_range(self, query: str, start: datetime, end: datetime, step: timedelta) -> MetricAnswer:
        """The result of a range query; its points carry Prometheus' instants, which are ours and the answer's shift."""
        seconds = f"{step.total_seconds():g}"

        def ask(shift: timedelta) -> Any:
            # The client rounds to whole seconds; the parameters given here win.
            exact = {
                "start": f"{(start + shift).timestamp():.3f}",
                "end": f"{(end + shift).timestamp():.3f}",
                "timeout": f"{self._timeout:g}s",
            }
            return self._client.custom_query_range(query, start, end, seconds, exact)

        return self._answer(ask, end)

    def rules(self, at: datetime) -> MetricAnswer:
        """The groups of alerting rules, up to a second old: all of them, and the same for every rollout that asks."""
        came, patience = time.monotonic(), seconds_left(self._timeout * 2)
        if not self._rules_lock.acquire(timeout=max(patience, 0)):
            detail = f"the rules were not answered within {patience:g} s"
            return MetricAnswer(problem=NoData(NoDataReason.SLOW, at, detail))
        try:
            # Judged by when we came: all who waited for one answer, however slow, or for one failure, share it.
            if self._rules is None or came - self._rules[0] > _RULES_GOOD_FOR_SECONDS:
                asked = time.monotonic()
                self._rules = asked, self._fresh_rules(at)
            return self._rules[1]
        finally:
            self._rules_lock.release()

    def _fresh_rules(self, at: datetime) -> MetricAnswer:

        def ask(_: timedelta) -> Any:
            answer = self._session.get(f"{self._url}/api/v1/rules", params={"type": "alert"})
            answer.raise_for_status()
            return answer.json()["data"]["groups"]

        return self._answer(ask, at)

    def skew(self) -> timedelta | None:
        """How far Prometheus' clock is ahead of ours, by its last answers; None where it did not answer lately.

        Where its answers carry no date, it is asked for its time.
        """
        if (known := self._clock.skew()) is not None or not self._undated.is_set():
            return known
        sent = time.monotonic()
        answer = self.query("vector(time())", None)
        with contextlib.suppress(KeyError, TypeError, ValueError, IndexError):
            self._clock.read(float(answer.result[0]["value"][1]), sent, time.monotonic())
        return self._clock.skew()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _answer(self, ask: Callable[[timedelta], Any], at: datetime | None) -> MetricAnswer:
        """What is asked by a clock that the answer shows to be wrong is asked once more."""
        shift = self._clock.shift()
        answer = self._answer_by(ask, at, shift)
        now = self._clock.shift()
        if at is None or abs(now - shift) <= _ANOTHER_CLOCK:
            return answer
        return self._answer_by(ask, at, now)

    def _answer_by(self, ask: Callable[[timedelta], Any], at: datetime | None, shift: timedelta) -> MetricAnswer:
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from requests import ConnectTimeout, HTTPError, ReadTimeout, RequestException

        from blocks.prometheus.deadline_session import TooLarge

        def problem(reason: NoDataReason, detail: str) -> MetricAnswer:
            return MetricAnswer(problem=NoData(reason, at or datetime.now(UTC), detail))

        limit = seconds_left(self._timeout)
        try:
            result = ask(shift)
        except (PrometheusApiClientException, HTTPError):
            return problem(self._noted.answer.reason, self._noted.answer.error)
        except ReadTimeout:
            return problem(NoDataReason.SLOW, f"no answer within {limit:.3g} s")
        except ConnectTimeout:
            if limit <= 0:
                return problem(NoDataReason.SLOW, "no time was left to ask it: other answers took too long")
            return problem(NoDataReason.UNREACHABLE, f"no connection within {limit:.3g} s")
        except TooLarge as large:
            return problem(NoDataReason.REFUSED, f"the answer is too large: {large}")
        except (RequestException, OSError) as error:
            # The original text shows addresses inside a chain of classes; its cause is enough.
            return problem(NoDataReason.UNREACHABLE, f"no connection or no readable answer ({type(error).__name__})")
        except (KeyError, TypeError, ValueError):
            return problem(NoDataReason.UNREACHABLE, "the answer is not Prometheus' JSON")
        return MetricAnswer(result=result, warnings=self._noted.answer.warnings, shift=shift)


@dataclass(frozen=True, slots=True)
class Noted:
    """What an answer says beside its result."""

    status: int
    kind: str
    error: str
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, response: Any, access: HttpLogin) -> "Noted":
        """Read from an answer, whatever it is."""
        try:
            body = response.json()
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        said = str(body.get("error", ""))
        if response.is_redirect:
            said = f"it leads to {shown_address(response.headers['location'])}, which is not followed"
        # Most answers say nothing, and looking for secrets costs more than all the rest of reading them.
        error = (access.hidden(said) if said else "") or f"HTTP {response.status_code}"
        warnings = tuple(map(access.hidden, incomplete(body)))
        return cls(response.status_code, str(body.get("errorType", "")), error, warnings)

    @property
    def reason(self) -> NoDataReason:
        """Why there is no value, where this is no good answer."""
        if self.kind == "timeout" or self.status == 408:
            return NoDataReason.SLOW
        if self.status >= 500 or self.status == 429 or self.status < 400:
            return NoDataReason.UNREACHABLE
        return NoDataReason.REFUSED
