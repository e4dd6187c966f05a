"""What schemathesis must know about this API beyond openapi.yaml, and an additional check."""

import schemathesis
from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
PATHS = st.from_regex(r"(/[A-Za-z0-9_~-]{1,20}){0,3}/?(\?[a-z]{1,8}=[A-Za-z0-9]{0,8})?", fullmatch=True)

# URLs that may be called. The schema can describe them only in words.
URLS = st.builds("https://{}.your-server.com{}{}".format, NAMES, st.sampled_from(["", ":443", ":8443"]), PATHS)
schemathesis.openapi.format("iri", URLS)

# Host names, which the schema can describe only in words, too.
HOSTS = st.just("*") | st.builds("{}{}.your-server.com".format, st.sampled_from(["", "*."]), NAMES)
schemathesis.openapi.format("callback-host", HOSTS)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Replies may gain fields, so the description allows any field. Here a field that it does not list is an error."""
    close(raw_schema["paths"])
    close(raw_schema["components"])


def close(node):
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            node.setdefault("additionalProperties", False)
        for key, child in node.items():
            if key not in ("example", "examples", "anyOf"):
                close(child)
    elif isinstance(node, list):
        for child in node:
            close(child)


@schemathesis.check
def in_the_envelope(ctx, response, case):
    """Checks the reply's envelope, whatever the request and its method."""
    if response.request.method == "OPTIONS":
        return
    assert response.headers.get("x-request-id"), "no x-request-id"
    # Files, and redirects to them.
    if not case.operation.path.startswith("/api/") and response.status_code in (200, 307):
        return
    assert response.headers["content-type"] == ["application/json"], "not JSON"
    if response.request.method != "HEAD":
        body = response.json()
        assert set(body) == {"success", "data" if body["success"] else "error"}, "not in the envelope"
