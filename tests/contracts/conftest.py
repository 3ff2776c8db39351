"""What the contract tests share."""

from tests.plugins.pagerduty_contract import pagerduty_contract

__all__ = ["pagerduty_contract"]
