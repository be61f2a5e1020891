"""The page that an invitation email links to: a new user enters a name and a password, a known user
authenticates.
"""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from accounts import invitations, registration
from accounts.invitations import NewUserDetails, PendingInvitation
from auth import authentication
from models.content.policy import Policy, PolicyKind
from models.errors import DomainError, message_for
from models.identity.errors import IdentityErrorCode
from models.translations import _
from resolvers.context import Services
from web.page import (
    Field,
    Page,
    PolicyConsent,
    language,
    link_token,
    not_found,
    page_action,
    page_response,
    policy_path,
    read_form,
    too_large,
    username_field,
)

_MAX_FORM_BYTES = 8192  # the longest name and password, each character as twelve bytes


@dataclass(frozen=True)
class InvitationPage:
    """The page of an invitation."""

    services: Services

    async def show(self, request: Request) -> Response:
        """Show who invites and with which role, and the form, if the link is valid."""
        try:
            pending_invitation = await invitations.find_invitation(
                page_action(request, self.services), link_token(request)
            )
        except DomainError:
            return not_found(request, _ADVICE)
        return page_response(request, await self._form(request, pending_invitation))

    async def submit(self, request: Request) -> Response:
        """Accept the invitation, or show the form again with the error."""
        form = await read_form(request, _MAX_FORM_BYTES)
        if form is None:
            return too_large(request)
        try:
            pending_invitation = await invitations.find_invitation(
                page_action(request, self.services), link_token(request)
            )
        except DomainError:
            return not_found(request, _ADVICE)
        return await self._accept(request, pending_invitation, form)

    async def _accept(
        self, request: Request, pending_invitation: PendingInvitation, form: dict[str, str]
    ) -> Response:
        locale = language(request)
        try:
            await self._join(request, pending_invitation, form)
        except DomainError as error:
            page = await self._form(request, pending_invitation, form.get("name", ""))
            return page_response(
                request,
                replace(page, notice=message_for(error, locale)),
                _STATUS.get(error.code, 422),
            )
        company = pending_invitation.invitation.account.legal_name
        return page_response(request, replace(_JOINED_PAGE, highlight=company))

    async def _form(
        self, request: Request, pending_invitation: PendingInvitation, name: str = ""
    ) -> Page:
        page = _form(pending_invitation, name)
        return (
            page
            if pending_invitation.existing_user
            else replace(page, consent=await self._policy_consent(request))
        )

    async def _policy_consent(self, request: Request) -> PolicyConsent | None:
        """The policies in force, which a new user accepts with the button."""
        current = await Policy.in_force(page_action(request, self.services).day)
        text = _("By accepting the invitation, you also accept these documents:")
        links = tuple(
            (_TITLES[kind], policy_path(request, kind, policy.version))
            for kind, policy in current.items()
        )
        return (
            PolicyConsent(text, links, " ".join(str(policy.pk) for policy in current.values()))
            if current
            else None
        )

    async def _join(
        self, request: Request, pending_invitation: PendingInvitation, form: dict[str, str]
    ) -> None:
        auth, peer = self.services.auth, request.client.host if request.client else ""
        password, user = form.get("password", ""), None
        if pending_invitation.existing_user:
            user = await authentication.authenticate(
                page_action(request, self.services),
                auth,
                email=pending_invitation.invitation.email,
                password=password,
                code=form.get("code") or None,
                peer=peer,
            )
        new_user = NewUserDetails(
            form.get("name", ""), password, _accepted_policy_ids(form), language(request)
        )
        await invitations.accept(
            page_action(request, self.services, user), auth, link_token(request), new_user, peer
        )


def _accepted_policy_ids(form: dict[str, str]) -> list[int | None]:
    """The keys of the policies in the form, None for anything else."""
    return [
        int(key) if key.isascii() and key.isdigit() and len(key) < 20 else None
        for key in form.get("texts", "").split()
    ]


def _form(pending_invitation: PendingInvitation, name: str = "") -> Page:
    invitation = pending_invitation.invitation
    inviter = invitation.inviter
    if pending_invitation.existing_user:
        text = _(
            "%(inviter)s invites you to join this company as: %(role)s. To accept, enter your "
            "CAMCHA password."
        )
    else:
        text = _(
            "%(inviter)s invites you to join this company as: %(role)s. To accept, enter your name "
            "and choose a password."
        )
    return Page(
        _("You are invited to CAMCHA"),
        text,
        invitation.account.legal_name,
        (("accept", _("Accept the invitation")),),
        fields=_fields(pending_invitation, name),
        values={
            "role": invitation.role.label,
            "inviter": inviter.name if inviter else invitation.account.legal_name,
        },
    )


def _fields(pending_invitation: PendingInvitation, name: str) -> tuple[Field, ...]:
    username = username_field(pending_invitation.invitation.email)
    if not pending_invitation.existing_user:
        return (
            Field(
                "name", _("Your name"), autocomplete="name", value=name[: registration.NAME_LENGTH]
            ),
            username,
            Field("password", _("Password (at least 12 characters)"), "password", "new-password"),
        )
    password = Field("password", _("Password"), "password", "current-password")
    code = Field(
        "code",
        _("Code from your authenticator app, or a recovery code"),
        autocomplete="one-time-code",
    )
    has_code = pending_invitation.existing_user.second_factor
    return (username, password, code) if has_code else (username, password)


_TITLES = {PolicyKind.PRIVACY: _("Privacy policy"), PolicyKind.TERMS: _("Terms and conditions")}
_STATUS = {"RATE_LIMITED": 429, "FORBIDDEN": 403, IdentityErrorCode.TOKEN_INVALID.value: 404}
_JOINED_PAGE = Page(
    _("Welcome!"), _("You are now a member of the company. You can sign in now."), continues=True
)
_ADVICE = _(
    "It may have expired, have been revoked or used, or part of it may be missing. Ask the person "
    "who invited you for a new one."
)
