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


def sync_token(stack, tenant, properties=None, **changes):
    """sync-service's, for one tenant; for some of its properties when they are given."""
    claims = tokens.service_claims("sync-service", tokens.AUDIENCE, [tenant])
    limits = {} if properties is None else {"propertyAccess": properties}
    return tokens.sign(stack.path, "EdDSA", {**claims, **limits, **changes})
