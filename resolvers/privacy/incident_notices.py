"""Notices of breaches."""

from collections.abc import Awaitable, Sequence
from dataclasses import fields
from typing import Any

import strawberry
from tortoise.queryset import QuerySet

from auth.tokens import Purpose
from models.accounts.account import Account
from models.identity.user import User
from models.privacy.incident import Incident, IncidentAudience
from models.privacy.incident_notice import (
    CHOICES,
    AuthorityContent,
    DataProtectionContact,
    IncidentNotice,
    IncidentNoticeVersion,
    PeopleContent,
)
from privacy import incident_notices as privacy_notices
from privacy.incident_notices import Recipients
from resolvers.context import Context, Info
from resolvers.ids import key_of, load_visible
from resolvers.privacy.inputs import (
    IncidentAuthorityNoticeEditInput,
    IncidentNoticeConfirmSendingInput,
    IncidentNoticeDraftInput,
    IncidentNoticeExportInput,
    IncidentNoticeRecordSentInput,
    IncidentNoticeRequestSendingInput,
    IncidentPeopleNoticeEditInput,
)
from resolvers.rows import RowByForeignKey, RowsByParent


async def draft(info: Info, input: IncidentNoticeDraftInput) -> IncidentNotice:
    """Begin a notice."""
    context = info.context
    loading = load_visible(Incident, input.incident_id, context.viewer, "incidentId")
    return await privacy_notices.draft(
        context.action(),
        _contact(context),
        loading,
        input.audience,
        input.stage,
        input.idempotency_key,
    )


def _contact(context: Context) -> DataProtectionContact:
    """The configured contact for data protection, otherwise the operator."""
    seller, user = context.services.seller, context.user
    return seller.data_protection or DataProtectionContact(
        user.name, email=user.email, phone=seller.party.phone
    )


async def edit_authority(info: Info, input: IncidentAuthorityNoticeEditInput) -> IncidentNotice:
    """Store a new version of a notification."""
    return await _edit(info, input, IncidentAudience.AUTHORITY, AuthorityContent)


async def edit_people(info: Info, input: IncidentPeopleNoticeEditInput) -> IncidentNotice:
    """Store a new version of a message."""
    return await _edit(info, input, IncidentAudience.PEOPLE, PeopleContent)


async def _edit(
    info: Info,
    input: IncidentAuthorityNoticeEditInput | IncidentPeopleNoticeEditInput,
    audience: IncidentAudience,
    content: type[AuthorityContent] | type[PeopleContent],
) -> IncidentNotice:
    changes: dict[str, Any] = {each.name: getattr(input, each.name) for each in fields(content)}
    for name in CHOICES.keys() & changes.keys():
        if changes[name] is not None:
            changes[name] = tuple(dict.fromkeys(changes[name]))
    action = info.context.action()
    return await privacy_notices.edit(
        action, _load(info, input.notice_id), input.version, audience, changes
    )


async def export(info: Info, input: IncidentNoticeExportInput) -> str:
    """A link to a version of a notice as a file."""
    context, services = info.context, info.context.services
    action = context.action()
    version, name = await privacy_notices.export(
        action, _load(info, input.notice_id), input.version, input.format
    )
    token = services.auth.signer.sign(
        Purpose.DOWNLOAD, action.at, notice=version.pk, format=input.format.value, name=name
    )
    return f"{services.base_url}/downloads/{token}"


async def record_sent(info: Info, input: IncidentNoticeRecordSentInput) -> IncidentNotice:
    """Record that a notice was sent."""
    action, notice = info.context.action(), _load(info, input.notice_id)
    return await privacy_notices.record_sent(action, notice, input.sent_at, input.reference)


async def request_sending(info: Info, input: IncidentNoticeRequestSendingInput) -> IncidentNotice:
    """Ask for a message to be sent."""
    context = info.context
    recipients = Recipients(
        input.everybody,
        tuple(key_of(Account, each) for each in dict.fromkeys(input.account_ids)),
        tuple(key_of(User, each) for each in dict.fromkeys(input.user_ids)),
    )
    return await privacy_notices.request_sending(
        context.action(), context.session, _load(info, input.notice_id), input.version, recipients
    )


async def confirm_sending(info: Info, input: IncidentNoticeConfirmSendingInput) -> IncidentNotice:
    """Confirm that a message is sent."""
    context = info.context
    return await privacy_notices.confirm_sending(
        context.action(), context.session, _load(info, input.notice_id), input.version
    )


def _load(info: Info, notice_id: strawberry.ID) -> Awaitable[IncidentNotice]:
    return load_visible(IncidentNotice, notice_id, info.context.viewer, "noticeId")


def notices(context: Context, parents: Sequence[Incident]) -> RowsByParent:
    """The notices of each incident, oldest first."""
    return RowsByParent(parents, QuerySet(IncidentNotice), "incident_id", "id")


def versions(context: Context, parents: Sequence[IncidentNotice]) -> RowsByParent:
    """The versions of each notice, oldest first."""
    return RowsByParent(parents, QuerySet(IncidentNoticeVersion), "notice_id", "id")


def authors(context: Context, parents: Sequence[IncidentNoticeVersion]) -> RowByForeignKey:
    """The operator who wrote each version."""
    return RowByForeignKey(parents, "author_id", QuerySet(User))


def requesters(context: Context, parents: Sequence[IncidentNotice]) -> RowByForeignKey:
    """The operator who asked for each message to be sent."""
    return RowByForeignKey(parents, "requester_id", QuerySet(User))


def confirmers(context: Context, parents: Sequence[IncidentNotice]) -> RowByForeignKey:
    """The operator who confirmed each message."""
    return RowByForeignKey(parents, "confirmer_id", QuerySet(User))


def authority_content(root: IncidentNoticeVersion) -> AuthorityContent | None:
    """What the authority is told."""
    content = root.parsed_content
    return content if isinstance(content, AuthorityContent) else None


def people_content(root: IncidentNoticeVersion) -> PeopleContent | None:
    """What the people concerned are told."""
    content = root.parsed_content
    return content if isinstance(content, PeopleContent) else None
