"""Webhooks: sending a company its events (docs/decisions/0059-webhooks.md)."""
