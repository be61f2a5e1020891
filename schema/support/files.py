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


@strawberry.type(description="A file that was sent.")
@backed_by(models.support.file.File)
class File(Node):
    name: str = field("Its name.")
    content_type: str = field("Its media type.")
    size: BigInt = field("Its size in bytes.")
    sha256: str | None = field("SHA-256 of its bytes, null until uploaded.")
    uploaded_at: datetime | None = field("When it arrived, null until it has.")
    status: FileStatus = field(
        "How far it has come.", file_resolvers.file_status, needs=("uploaded_at", "cleared_at", "infected_at")
    )
    download_url: str | None = field(
        "A link to it, good for five minutes; null unless AVAILABLE.",
        file_resolvers.file_url,
        needs=("uploaded_at", "cleared_at", "infected_at"),
    )


@strawberry.type(description="Where to send a file's bytes.")
class FileAnnouncePayload:
    file: File | None = field("The file, to be attached once it is uploaded.")
    upload_url: str | None = field("PUT the bytes here within five minutes.")
    user_errors: list[UserError] = errors()
