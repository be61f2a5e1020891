"""What operators choose about analytics."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AnalyticsOptions:
    """Cells about fewer than `min_companies` companies are hidden."""

    min_companies: int = 5
