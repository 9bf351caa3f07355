"""The demo's desk: what support and finance would tell a rollout, and a way to set it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

QUIET: dict[str, dict[str, float]] = {
    "support": {"escalations": 0, "issues": 0, "data_loss_reports": 0},
    "cost": {"projected_monthly_usd": 182.5},
}


class Desk:
    """Handlers of a support desk that counts and a cost report that projects."""

    def __init__(self) -> None:
        self._figures = {name: dict(figures) for name, figures in QUIET.items()}

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/desk/{report}", self.show),
            Route("/desk/{report}", self.set, methods=["PUT"]),
            Route("/desk/{report}", self.reset, methods=["DELETE"]),
        ]

    async def show(self, request: Request) -> Response:
        """Tell a report's figures."""
        report = request.path_params["report"]
        if report not in self._figures:
            return JSONResponse({"error": "unknown report", "reports": list(QUIET)}, status_code=404)
        return JSONResponse(self._figures[report])

    async def set(self, request: Request) -> Response:
        """Change some figures of a report."""
        figures = self._figures.get(request.path_params["report"], {})
        try:
            wanted: Any = await request.json()
        except ValueError:
            wanted = None
        if (
            not isinstance(wanted, dict)
            or not wanted.keys() <= figures.keys()
            or not all(map(_is_figure, wanted.values()))
        ):
            return JSONResponse({"error": "unknown figure", "figures": list(figures)}, status_code=422)
        figures.update(wanted)
        return await self.show(request)

    async def reset(self, request: Request) -> Response:
        """Make a report quiet again."""
        report = request.path_params["report"]
        if report in QUIET:
            self._figures[report] = dict(QUIET[report])
        return await self.show(request)


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
