"""The archive of the viewer's own data."""

import strawberry

from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="The result of requesting the archive of the viewer's data.")
class PersonalDataExportPayload:
    url: str | None = field("The link to download the archive, valid for five minutes.")
    user_errors: list[UserError] = errors()
