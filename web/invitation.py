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
    Texts,
    language,
    not_found,
    page_action,
    page_response,
    policy_path,
    read_form,
    too_large,
)

_FORM_BYTES = 8192  # a name and a password of the longest, each of their characters as twelve


@dataclass(frozen=True)
class Invited:
    """The page of an invitation."""

    services: Services

    async def ask(self, request: Request) -> Response:
        """Show who invites and with which role, and the form, if the link is valid."""
        try:
            offer = await invitations.find_invitation(
                page_action(request, self.services), _token(request)
            )
        except DomainError:
            return not_found(request)
        return page_response(request, await self._form(request, offer))

    async def answer(self, request: Request) -> Response:
        """Accept the invitation, or show the form again with what is wrong."""
        given = await read_form(request, _FORM_BYTES)
        if given is None:
            return too_large(request)
        try:
            offer = await invitations.find_invitation(
                page_action(request, self.services), _token(request)
            )
        except DomainError:
            return not_found(request)
        return await self._read_answer(request, offer, given)

    async def _read_answer(
        self, request: Request, offer: PendingInvitation, given: dict[str, str]
    ) -> Response:
        locale = language(request)
        try:
            await self._join(request, offer, given)
        except DomainError as error:
            page = await self._form(request, offer, given.get("name", ""))
            return page_response(
                request,
                replace(page, notice=message_for(error, locale)),
                _STATUS.get(error.code, 422),
            )
        company = offer.invitation.account.legal_name
        return page_response(request, replace(_JOINED, figure=company))

    async def _form(self, request: Request, offer: PendingInvitation, name: str = "") -> Page:
        page = _form(offer, name)
        return page if offer.existing_user else replace(page, texts=await self._texts(request))

    async def _texts(self, request: Request) -> Texts | None:
        """The policies in force, which a new user accepts with the button."""
        current = await Policy.in_force(page_action(request, self.services).day)
        words = _("By accepting the invitation, you also accept these documents:")
        links = tuple(
            (_TITLES[kind], policy_path(request, kind, policy.version))
            for kind, policy in current.items()
        )
        return (
            Texts(words, links, " ".join(str(policy.pk) for policy in current.values()))
            if current
            else None
        )

    async def _join(
        self, request: Request, offer: PendingInvitation, given: dict[str, str]
    ) -> None:
        auth, peer = self.services.auth, request.client.host if request.client else ""
        password, user = given.get("password", ""), None
        if offer.existing_user:
            user = await authentication.authenticate(
                page_action(request, self.services),
                auth,
                email=offer.invitation.email,
                password=password,
                code=given.get("code") or None,
                peer=peer,
            )
        newcomer = NewUserDetails(
            given.get("name", ""), password, _accepted_page(given), language(request)
        )
        await invitations.accept(
            page_action(request, self.services, user), auth, _token(request), newcomer, peer
        )


def _token(request: Request) -> str:
    return request.query_params.get("token", "")


def _accepted_page(given: dict[str, str]) -> list[int | None]:
    """The keys of the policies in the form, None for anything else."""
    return [
        int(key) if key.isascii() and key.isdigit() and len(key) < 20 else None
        for key in given.get("texts", "").split()
    ]


def _form(offer: PendingInvitation, name: str = "") -> Page:
    if offer.existing_user:
        text = _("You will join this company as: %(role)s. To accept, enter your CAMCHA password.")
    else:
        text = _(
            "You will join this company as: %(role)s. To accept, enter your name and choose a "
            "password."
        )
    return Page(
        _("You are invited to CAMCHA"),
        text,
        offer.invitation.account.legal_name,
        (("accept", _("Accept the invitation")),),
        fields=_fields(offer, name),
        values={"role": offer.invitation.role.label},
    )


def _fields(offer: PendingInvitation, name: str) -> tuple[Field, ...]:
    if not offer.existing_user:
        return (
            Field("name", _("Your name"), fill="name", value=name[: registration.NAME_LENGTH]),
            Field("password", _("Password (at least 12 characters)"), "password", "new-password"),
        )
    known = Field("password", _("Password"), "password", "current-password")
    code = Field(
        "code", _("Code from your authenticator app, or a recovery code"), fill="one-time-code"
    )
    return (known, code) if offer.existing_user.second_factor else (known,)


_TITLES = {PolicyKind.PRIVACY: _("Privacy policy"), PolicyKind.TERMS: _("Terms and conditions")}
_STATUS = {"RATE_LIMITED": 429, "FORBIDDEN": 403, IdentityErrorCode.TOKEN_INVALID.value: 404}
_JOINED = Page(
    _("Welcome!"), _("You are now a member of the company. Close this page and sign in.")
)
