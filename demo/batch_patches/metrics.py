"""The demo service's metrics, every label child present at zero from the start."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from demo.batch_patches.cohorts import cohorts_of_group

Path: TypeAlias = Literal["new", "legacy"]
PATHS: tuple[Path, ...] = ("new", "legacy")
# `drill` is the group of synthetic users that a rollback drill may move without touching anybody real; known
# requests come from the last two groups, so that they are never counted among customers.
GROUPS: tuple[str, ...] = ("internal", "staging", "beta", "general", "drill", "synthetic", "synthetic-control")
BUCKETS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0)
VERSIONS: dict[Path, str] = {"new": "1.0.0", "legacy": "0.9.4"}
# A figure, not a reading: the two paths share one process.
BASE_MEMORY_BYTES = 120_000_000

disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Track:
    """The counters of one path, group and cohort, looked up once."""

    routed: Counter
    users: Counter
    ok: Counter
    error: Counter
    duration: Histogram
    batches: Counter
    cpu: Counter
    violations: Counter


@dataclass
class ServiceMetrics:
    """All metrics of one service process, in a registry of their own."""

    new_version: str = VERSIONS["new"]
    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=True))

    def __post_init__(self) -> None:
        r, by_path, by_all = self.registry, ["path"], ["path", "group", "cohort"]
        routed = Counter("batch_patches", "Routing decisions.", ["path", "group"], registry=r)
        requests = Counter("batch_patches_requests", "Completed requests.", [*by_all, "outcome"], registry=r)
        users = Counter("batch_patches_users", "Users first seen since the exposure changed.", by_all, registry=r)
        duration = Histogram(
            "batch_patches_duration_seconds", "Duration of requests.", by_all, buckets=BUCKETS, registry=r
        )
        batches = Counter("batch_patches_batches", "Batches of patches applied.", by_path, registry=r)
        cpu = Counter("batch_patches_cpu_seconds", "Processor time attributed to the path.", by_path, registry=r)
        violations = Counter(
            "batch_patches_invariant_violations", "Answers that break the invariant.", by_path, registry=r
        )
        memory = Gauge("batch_patches_memory_bytes", "Memory attributed to the path.", by_path, registry=r)
        build = Gauge("batch_patches_build_info", "The version behind each path.", [*by_path, "version"], registry=r)
        self.synthetic_critical = Gauge(
            "batch_patches_synthetic_critical", "1 while the alert fault is in force.", registry=r
        )
        self.new_memory = memory.labels("new")
        memory.labels("legacy").set(BASE_MEMORY_BYTES)
        self.set_leaked(0)
        for path, version in {**VERSIONS, "new": self.new_version}.items():
            build.labels(path, version).set(1)
        self._tracks = {
            (path, group, cohort): Track(
                routed=routed.labels(path, group),
                users=users.labels(path, group, cohort),
                ok=requests.labels(path, group, cohort, "ok"),
                error=requests.labels(path, group, cohort, "error"),
                duration=duration.labels(path, group, cohort),
                batches=batches.labels(path),
                cpu=cpu.labels(path),
                violations=violations.labels(path),
            )
            for path in PATHS
            for group in GROUPS
            for cohort in cohorts_of_group(group)
        }

    def track(self, path: Path, group: str, cohort: str) -> Track:
        """Return the counters of a path, group and cohort."""
        return self._tracks[path, group, cohort]

    def set_leaked(self, leaked: int) -> None:
        """Show the new path's memory: the base figure plus what is really held."""
        self.new_memory.set(BASE_MEMORY_BYTES + leaked)

    def render(self) -> bytes:
        """Return the text exposition of all metrics."""
        return generate_latest(self.registry)
