"""Finds or fetches what tests of the pages need of npm: an OpenID Connect provider to sign in at, and axe."""

from pathlib import Path

from demo.node_packages import NodePackages

WEB_PARTS = NodePackages("web-parts", Path(__file__).parent / "web_parts", "about 2 MB")


def provide_oidc_provider() -> tuple[Path, Path]:
    """Return Node.js and the module of the OpenID Connect provider, fetched if need be, or raise PartMissing."""
    return WEB_PARTS.provide(), WEB_PARTS.folder / "node_modules/oidc-provider/lib/index.js"


def provide_axe() -> Path:
    """Return the script of axe, which judges a page in a browser, fetched if need be, or raise PartMissing."""
    WEB_PARTS.provide()
    return WEB_PARTS.folder / "node_modules/axe-core/axe.min.js"
