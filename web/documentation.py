"""`/openapi.json`, and `/docs`: the same for people, without anything from elsewhere.

The page is Swagger UI, whose files come with a package (offapi); ours are the frame and three lines that
start it. The package's own page is one file with everything inline, which no strict policy lets run.
"""

from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, current_app, jsonify, send_from_directory

from web.openapi import Json, document

_OURS = Path(__file__).parent / "static"
# Styles are Swagger UI's file, its pictures are inside it, and its requests go to this service.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CACHE_SECONDS = 3600


def documentation_routes() -> Blueprint:
    """The routes. The document is made when it is first asked for: then all other routes are there."""
    routes = Blueprint("documentation", __name__)
    text = (_OURS / "docs.html").read_text()
    theirs = _package_folder("offapi")
    made: list[Json] = []
    assets = {
        "start.js": _OURS,
        "swagger_bundle.js": theirs,
        "swagger_style.css": theirs,
    }

    @routes.get("/openapi.json")
    def openapi() -> Response:
        if not made:
            made.append(document(current_app))
        return jsonify(made[0])

    @routes.get("/docs")
    def page() -> Response:
        response = Response(text, mimetype="text/html")
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @routes.get(f"/docs/<any({', '.join(repr(name) for name in assets)}):name>")
    def asset(name: str) -> Response:
        response = send_from_directory(assets[name], name, max_age=_CACHE_SECONDS)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return routes


def _package_folder(name: str) -> Path:
    """Where a package lies, without importing it: this one would read all its pages into memory."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(name)
    return Path(spec.origin).parent
