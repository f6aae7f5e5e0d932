"""What schemathesis makes up, without what a form cannot tell from what is right."""

import schemathesis


@schemathesis.hook
def filter_body(context, body):
    """A list of one value is sent as the value is, and one of none is not sent."""
    if not isinstance(body, dict):
        return True
    return not any(
        isinstance(value, list) and len(value) < 2 for name, value in body.items() if name != "file"
    )
