"""Files."""

from datetime import datetime

import strawberry

import models.support.file
from models.support.file import FileStatus
from resolvers.scalars import BigInt
from resolvers.support import files as file_resolvers
from schema.fields import field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="An uploaded file.")
@backed_by(models.support.file.File)
class File(Node):
    name: str = field("The name of the file.")
    content_type: str = field("The media type of the file.")
    size: BigInt = field("The size of the file in bytes.")
    sha256: str | None = field(
        "The SHA-256 hash of the file, in hexadecimal. Null until the file is uploaded."
    )
    uploaded_at: datetime | None = field("When the file was uploaded. Null until then.")
    status: FileStatus = field(
        "The status of the file.",
        file_resolvers.file_status,
        needs=("uploaded_at", "cleared_at", "infected_at"),
    )
    download_url: str | None = field(
        "A link to download the file, valid for at least an hour and the same within an hour. Null "
        "unless the status is AVAILABLE.",
        file_resolvers.file_url,
        needs=("uploaded_at", "cleared_at", "infected_at"),
        cost=1,
    )


@strawberry.type(description="The result of announcing a file.")
class FileAnnouncePayload:
    file: File | None = field("The file, which can be attached once it is uploaded.")
    upload_url: str | None = field("The URL to PUT the file to within five minutes.")
    user_errors: list[UserError] = errors()
