"""What schemathesis cannot know of this API from its document. Nothing here switches a check off for an operation."""

import os
import re

import schemathesis

# The key that the requests are sent with, and its id: one that the fuzzer must not revoke under itself.
KEY_ID = os.environ.get("CONTRACT_KEY_ID", "")

# An Idempotency-Key that came with another body before. No schema can say that.
USED_KEY = "idempotency_key_reused"
# Faults that depend on more than the member that they are about: on what there is, on the time, or on other members by a rule of their kind.
RULES = re.compile(
    r"there is no such task|is over|must not contain U\+0000|names no earlier task of the same batch|is not a cursor of this (server|list)"
    r"|no GPU that is known: see GET /gpus|no offer of a page before|either paying or from has to be given"
    r"|is for catch_up `all` alone|must be after starts_at|cannot be kept in a schedule.*|there is no fire before it ends|either a provider or a url|needs a provider or a url"
    # Where requests may go, and which currencies there are.
    r"|the host \".*\" (leads to|cannot).*|no code of ISO 4217"
    r"|\d+ x \d+ is (more than (a GIF's )?\d+ pixels|narrower than 1 : 4)|a GIF of .* seconds is longer than \d+|has no letter or digit|needs a fault"
    # Without the spaces around it.
    r'|".*" is shorter than \d+ characters',
    re.DOTALL,
)


def _problem(response):
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _no_schema_can_say(body, case):
    if USED_KEY in (body.get("code"), body.get("error")):
        return True
    faults = body.get("errors") or (body.get("details") or {}).get("errors") or []
    # The kind of a task that is repeated is known to the server alone, and with it what its input may be.
    is_replay = case.operation.definition.raw.get("operationId") == "replayTask"
    # These are languages of their own: each is read whole, by a reader that says what is wrong.
    languages = re.compile(r"(/\d+)?(/task)?(/input)?/(definition|provider|timeline|merge|extract|cron|timezone|url)\b")

    def is_ruled(fault):
        detail = fault.get("detail") or fault.get("message")
        pointer = fault["pointer"]
        return RULES.fullmatch(detail) or languages.match(pointer) or (is_replay and pointer.startswith("/input"))

    return bool(faults) and all(map(is_ruled, faults))


@schemathesis.hook
def filter_failure(context, failure, case, response):
    refused = type(failure).__name__ == "RejectedPositiveData" and response.status_code == 422
    return not (refused and _no_schema_can_say(_problem(response), case))


@schemathesis.hook
def filter_case(context, case):
    # Nobody saws off the branch that he sits on.
    parameters = case.path_parameters if isinstance(case.path_parameters, dict) else {}
    return not (KEY_ID and KEY_ID in map(str, parameters.values()))


@schemathesis.hook
def map_query(context, query):
    # A wait is as good for a second as for a minute.
    if isinstance(query, dict) and isinstance(query.get("wait"), int) and 1 < query["wait"] <= 60:
        query["wait"] = 1
    return query


if os.environ.get("CONTRACT_KEYLESS"):

    @schemathesis.check
    def only_strangers_answers(context, response, case):
        """Without a key nothing but 401 comes from whatever needs one; where another proof will do it may also be 403."""
        choices = case.operation.definition.raw["security"]
        if {} not in choices:
            assert response.status_code == 401, f"{response.status_code} without a key"
        elif len(choices) > 1:
            assert response.status_code in (401, 403), f"{response.status_code} without a key or another proof"
