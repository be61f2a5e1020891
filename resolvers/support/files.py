"""Files: announcing an upload, the status and the download link."""

from typing import Any

from auth.tokens import Purpose
from models.support.file import File, FileStatus
from resolvers.context import Info
from resolvers.support.inputs import FileAnnounceInput
from support import files


async def announce(info: Info, input: FileAnnounceInput) -> dict[str, Any]:
    """Announce a file; the upload link is valid for five minutes."""
    context, action = info.context, info.context.action()
    services = context.services
    file = await files.announce(
        action,
        services.auth,
        context.user,
        context.viewer.account,
        name=input.name,
        content_type=input.content_type,
        size=input.size,
        key=input.idempotency_key,
    )
    token = services.auth.signer.sign(Purpose.UPLOAD, action.at, file=file.pk)
    return {"file": file, "upload_url": f"{services.base_url}/uploads/{token}"}


def file_status(root: File) -> FileStatus:
    """The status of the file."""
    return root.status


def file_url(root: File, info: Info) -> str | None:
    """A download link that is valid for at least an hour; None unless the file is AVAILABLE.

    The link stays the same for up to an hour, so that clients can cache pictures.
    """
    if root.status is not FileStatus.AVAILABLE:
        return None
    services = info.context.services
    hour = services.clock.now().replace(minute=0, second=0, microsecond=0)
    token = services.auth.signer.sign(Purpose.FILE_DOWNLOAD, hour, file=root.pk)
    return f"{services.base_url}/downloads/{token}"
