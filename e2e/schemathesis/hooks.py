"""What the documents say in words, because a schema cannot: requests that only differ from good ones in that are not tried."""

import datetime
import re

import schemathesis


def items_of(body):
    items = body.get("items")
    return [i for i in items if isinstance(i, dict)] if isinstance(items, list) else []


def is_past(text):
    try:
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        return False
    if at.tzinfo is None:
        return False
    return at <= datetime.datetime.now(datetime.timezone.utc)


def is_tag(text):
    return re.fullmatch('"[0-9a-f]{32}"', text) is not None


@schemathesis.hook
def filter_case(context, case):
    # This version of the tool counts some header values that break the pattern as good ones; server/tests try those.
    tag = (case.headers or {}).get("If-Match")
    if tag is not None and not is_tag(tag):
        return False
    body = case.body
    if not isinstance(body, dict):
        return True
    # Names of products are the same in whatever case.
    products = [str(i.get("product")).lower() for i in items_of(body)]
    if any(products.count(p) > 1 for p in products):
        return False  # each product once
    until = body.get("until")
    return not (isinstance(until, str) and is_past(until))  # an instant to come
