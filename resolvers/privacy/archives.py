"""The archive of the viewer's own data, requested with a mutation that returns a link."""

from auth import reauthentication
from auth.tokens import Purpose
from models.errors import Forbidden
from privacy.archive import record_archive
from resolvers.context import Info


async def export(info: Info) -> str:
    """A link to the archive. Raises Forbidden for staff, because what they wrote is about
    customers.
    """
    context = info.context
    if context.viewer.user and context.viewer.user.staff:
        raise Forbidden
    action, services = context.action(), context.services
    await reauthentication.require_step_up(action, context.session)
    user = context.viewer.user
    assert user is not None, "signed in"  # noqa: S101
    await record_archive(action, user)
    token = services.auth.signer.sign(Purpose.DOWNLOAD, action.at, person=user.pk)
    return f"{services.base_url}/downloads/{token}"
