"""What the client libraries log of their own accord, without what may hold a secret: addresses' queries and headers."""

import logging

from blocks.calls.addresses import shown_address

_CUT_AT = ("headers:", "return_value=", "non-JSON format:")


class _WithoutQueries(logging.Filter):
    """The client logs whole addresses, and a source's query may hold a key."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record, its addresses shown as elsewhere."""
        if isinstance(record.args, tuple):
            record.args = tuple(shown_address(str(a)) if type(a).__name__ == "URL" else a for a in record.args)
        return True


class _WithoutContents(logging.Filter):
    """Headers and whole answers are logged, as sent or as repeated by a server that repeats them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record, cut off where they begin."""
        text = record.getMessage()
        ends = [at for mark in _CUT_AT if (at := text.find(mark)) >= 0]
        if ends:
            record.msg, record.args = text[: min(ends)] + "(not shown)", ()
        return True


def hide_secrets_in_library_logs() -> None:
    """Whatever level somebody sets; once for the process, since the libraries' loggers are the process's."""
    logging.getLogger("httpx").addFilter(_without_queries)
    for name in ("slack_sdk.web.base_client", "httpcore.http11", "httpcore.http2", "httpcore.proxy"):
        logging.getLogger(name).addFilter(_without_contents)


_without_queries, _without_contents = _WithoutQueries(), _WithoutContents()
