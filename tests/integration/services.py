"""Tokens of the services that call queryd's internal doors."""

import os
import sys

from harness import CHECKOUT

sys.path.append(os.path.join(CHECKOUT, "tools"))
from stacklib import tokens

SCHEDULER = "/internal/scheduler/etl"


def scheduler_token(stack, account=tokens.SCHEDULER_EMAIL, algorithm="RS256", **changes):
    """Cloud Scheduler's, with some claims changed."""
    claims = tokens.oidc_claims(account, stack.url("queryd", SCHEDULER))
    return tokens.sign(stack.path, algorithm, {**claims, **changes})
