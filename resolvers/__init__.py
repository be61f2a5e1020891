"""Viewer and arguments in, rows out. Enums get their descriptions first, because inputs and
arguments refer to them.
"""

import resolvers.accounts.enums
import resolvers.billing.enums
import resolvers.content.enums
import resolvers.enums
import resolvers.identity.enums
import resolvers.operations.enums
import resolvers.privacy.enums
import resolvers.support.enums
import resolvers.support.sla_enums
import resolvers.support.ticket_action_enums  # noqa: F401 - imported for their effect
