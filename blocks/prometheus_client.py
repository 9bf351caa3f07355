"""The one place that speaks HTTP to Prometheus and turns every failure into a value."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from blocks.http_access import HttpLogin
from blocks.prometheus_answers import Answer
from tidegate.addresses import shown_address
from tidegate.samples import NoData, NoDataReason

_KEPT = 32
_RULES_GOOD_FOR_SECONDS = 1.0


class Asking:
    """A prometheus-api-client with a time-out, no retries of its own, and the warnings it throws away."""

    def __init__(self, url: str, timeout_seconds: float, access: HttpLogin) -> None:
        # Imported here: the client brings requests, which a process that only rolls back does not need.
        import requests
        from prometheus_api_client import PrometheusConnect
        from requests.adapters import HTTPAdapter
        from requests.utils import get_netrc_auth
        from urllib3.util.retry import Retry

        class FormSession(requests.Session):
            """Sends a POST's parameters in the body; the client would make an address of any length of them."""

            def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]
                if method == "POST":
                    options["data"] = options.pop("params", None)
                # Followed, it would carry our headers to another host.
                options["allow_redirects"] = False
                return super().request(method, url, **options)

        self._url = url
        self._access = access
        self._timeout = timeout_seconds
        self._noted = threading.local()
        self._rules: tuple[float, Answer] | None = None
        self._rules_lock = threading.Lock()
        self._session = FormSession()
        self._session.hooks["response"].append(self._note)
        self._session.headers.update(access.sent_headers() | access.authorization())
        self._client = PrometheusConnect(
            url, session=self._session, retry=Retry(total=0), timeout=timeout_seconds, method="POST"
        )
        # A look asks everything at once: as many connections are kept as there are questions. An answer that does not
        # come in time is told as such, and not as a retry that was used up.
        self._session.mount(url, HTTPAdapter(max_retries=Retry(total=0, read=False), pool_maxsize=_KEPT))
        # Proxies, certificates and logins of the environment are read once, not from disk at each request.
        found = self._session.merge_environment_settings(url, {}, None, None, None)
        self._session.proxies, self._session.verify = found["proxies"], found["verify"]
        self._session.auth = None if access.authorization() else get_netrc_auth(url)
        self._session.trust_env = False
        if access.ca_file:
            self._session.verify = access.ca_file
        if proxy := access.proxy_address():
            self._session.proxies = {"http": proxy, "https": proxy}

    def query(self, query: str, at: datetime | None) -> Answer:
        """The result of an instant query; without an instant, Prometheus' own now."""
        params = {"timeout": f"{self._timeout:g}s"}
        if at is not None:
            params["time"] = f"{at.timestamp():.3f}"
        return self._answer(lambda: self._client.custom_query(query, params), at)

    def query_range(self, query: str, start: datetime, end: datetime, step: timedelta) -> Answer:
        """The result of a range query."""
        # The client rounds to whole seconds; the parameters given here win.
        exact = {
            "start": f"{start.timestamp():.3f}",
            "end": f"{end.timestamp():.3f}",
            "timeout": f"{self._timeout:g}s",
        }
        seconds = f"{step.total_seconds():g}"
        return self._answer(lambda: self._client.custom_query_range(query, start, end, seconds, exact), end)

    def rules(self, at: datetime) -> Answer:
        """The groups of alerting rules, up to a second old: all of them, and the same for every rollout that asks."""
        came = time.monotonic()
        if not self._rules_lock.acquire(timeout=self._timeout * 2):
            detail = f"the rules were not answered within {self._timeout * 2:g} s"
            return Answer(problem=NoData(NoDataReason.SLOW, at, detail))
        try:
            # Judged by when we came: all who waited for one answer, however slow, or for one failure, share it.
            if self._rules is None or came - self._rules[0] > _RULES_GOOD_FOR_SECONDS:
                asked = time.monotonic()
                self._rules = asked, self._fresh_rules(at)
            return self._rules[1]
        finally:
            self._rules_lock.release()

    def _fresh_rules(self, at: datetime) -> Answer:

        def ask() -> Any:
            answer = self._session.get(f"{self._url}/api/v1/rules", params={"type": "alert"}, timeout=self._timeout)
            answer.raise_for_status()
            return answer.json()["data"]["groups"]

        return self._answer(ask, at)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _note(self, response: Any, *_: Any, **__: Any) -> None:
        try:
            body = response.json()
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        self._noted.status = response.status_code
        self._noted.kind = str(body.get("errorType", ""))
        said = str(body.get("error", ""))
        if response.is_redirect:
            said = f"it leads to {shown_address(response.headers['location'])}, which is not followed"
        self._noted.error = self._access.hidden(said) or f"HTTP {response.status_code}"
        self._noted.warnings = tuple(self._access.hidden(str(one)) for one in body.get("warnings") or ())

    def _answer(self, ask: Callable[[], Any], at: datetime | None) -> Answer:
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from requests import ConnectTimeout, HTTPError, ReadTimeout, RequestException

        def problem(reason: NoDataReason, detail: str) -> Answer:
            return Answer(problem=NoData(reason, at or datetime.now(UTC), detail))

        try:
            result = ask()
        except (PrometheusApiClientException, HTTPError):
            return problem(self._reason(), self._noted.error)
        except ReadTimeout:
            return problem(NoDataReason.SLOW, f"no answer within {self._timeout:g} s")
        except ConnectTimeout:
            return problem(NoDataReason.UNREACHABLE, f"no connection within {self._timeout:g} s")
        except (RequestException, OSError) as error:
            # The original text shows addresses inside a chain of classes; its cause is enough.
            return problem(NoDataReason.UNREACHABLE, f"no connection or no readable answer ({type(error).__name__})")
        except (KeyError, TypeError, ValueError):
            return problem(NoDataReason.UNREACHABLE, "the answer is not Prometheus' JSON")
        return Answer(result=result, warnings=self._noted.warnings)

    def _reason(self) -> NoDataReason:
        status = self._noted.status
        if self._noted.kind == "timeout" or status == 408:
            return NoDataReason.SLOW
        if status >= 500 or status == 429 or status < 400:
            return NoDataReason.UNREACHABLE
        return NoDataReason.REFUSED
