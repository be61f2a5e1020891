"""The operator's comparison of what billing stores in several places."""

from billing.reconciliation import Reconciliation
from billing.reconciliation import reconciliation as compare
from resolvers.context import Info


async def reconciliation(info: Info) -> Reconciliation:
    """The sums and the differences."""
    return await compare()
