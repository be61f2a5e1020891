"""The page of an invitation's email: somebody new chooses a name and a password, somebody known proves who they are."""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from accounts import invitations, registration
from accounts.invitations import Newcomer, Offer
from auth import authentication
from mail.emails import ROLES
from models.content.policy import Policy, PolicyKind
from models.errors import DomainError, ErrorCode
from models.locale import Locale
from models.messages import worded
from resolvers.context import Services
from web.page import Field, Page, Texts, act_of, form, language, not_found, policy_path, shown, too_large

_FORM_BYTES = 8192  # a name and a password of the longest, each of their characters as twelve


@dataclass(frozen=True)
class Invited:
    """The address of an invitation email's link."""

    services: Services

    async def ask(self, request: Request) -> Response:
        """Who invites and as what, with the form, if the link would work."""
        try:
            offer = await invitations.offered(act_of(request, self.services), _token(request))
        except DomainError:
            return not_found(request)
        return shown(request, await self._form(request, offer))

    async def answer(self, request: Request) -> Response:
        """Join, or the form again with what is wrong."""
        given = await form(request, _FORM_BYTES)
        if given is None:
            return too_large(request)
        try:
            offer = await invitations.offered(act_of(request, self.services), _token(request))
        except DomainError:
            return not_found(request)
        return await self._answered(request, offer, given)

    async def _answered(self, request: Request, offer: Offer, given: dict[str, str]) -> Response:
        locale = language(request)
        try:
            await self._join(request, offer, given)
        except DomainError as error:
            page = await self._form(request, offer, given.get("name", ""))
            return shown(request, replace(page, notice=worded(error, locale)), _STATUS.get(error.code, 422))
        company = offer.invitation.account.legal_name
        return shown(request, replace(_JOINED[locale], figure=company))

    async def _form(self, request: Request, offer: Offer, name: str = "") -> Page:
        page = _form(offer, language(request), name)
        return page if offer.known else replace(page, texts=await self._texts(request))

    async def _texts(self, request: Request) -> Texts | None:
        """The policies in force, which somebody new accepts by the button."""
        current = await Policy.in_force(act_of(request, self.services).day)
        words, titles = _ACCEPTING[language(request)]
        links = tuple((titles[kind], policy_path(request, kind, policy.version)) for kind, policy in current.items())
        return Texts(words, links, " ".join(str(policy.pk) for policy in current.values())) if current else None

    async def _join(self, request: Request, offer: Offer, given: dict[str, str]) -> None:
        auth, peer = self.services.auth, request.client.host if request.client else ""
        password, user = given.get("password", ""), None
        if offer.known:
            user = await authentication.authenticate(
                act_of(request, self.services),
                auth,
                email=offer.invitation.email,
                password=password,
                code=given.get("code") or None,
                peer=peer,
            )
        newcomer = Newcomer(given.get("name", ""), password, _accepted(given), language(request))
        await invitations.accept(act_of(request, self.services, user), auth, _token(request), newcomer, peer)


def _token(request: Request) -> str:
    return request.query_params.get("token", "")


def _accepted(given: dict[str, str]) -> list[int | None]:
    """The keys of the policies that the form named, None for what is none."""
    return [int(key) if key.isascii() and key.isdigit() and len(key) < 20 else None for key in given.get("texts", "").split()]


def _form(offer: Offer, locale: Locale, name: str = "") -> Page:
    title, text, known, new, button = _WORDS[locale]
    invitation = offer.invitation
    role = ROLES[locale][invitation.role]
    return Page(
        title, f"{text.format(role=role)} {known if offer.known else new}", invitation.account.legal_name,
        (("accept", button),), fields=_fields(offer, locale, name),
    )  # fmt: skip


def _fields(offer: Offer, locale: Locale, name: str) -> tuple[Field, ...]:
    naming, password, code = _LABELS[locale]
    if not offer.known:
        return (
            Field("name", naming, fill="name", value=name[: registration.NAME_LENGTH]),
            Field("password", password, "password", "new-password"),
        )
    known = Field("password", password, "password", "current-password")
    return (known, Field("code", code, fill="one-time-code")) if offer.known.second_factor else (known,)


_ACCEPTING = {
    Locale.FR: (
        "En acceptant l’invitation, vous acceptez aussi ces textes, que vous avez pu lire\u00a0:",
        {PolicyKind.PRIVACY: "politique de confidentialité", PolicyKind.TERMS: "conditions générales"},
    ),
    Locale.EN: (
        "By accepting the invitation you also accept these texts, which you could read:",
        {PolicyKind.PRIVACY: "privacy policy", PolicyKind.TERMS: "terms and conditions"},
    ),
}
_STATUS = {"RATE_LIMITED": 429, "FORBIDDEN": 403, ErrorCode.TOKEN_INVALID.value: 404}
_WORDS = {
    Locale.FR: (
        "Vous êtes invité sur CAMCHA",
        "Rejoignez cette entreprise. Votre rôle y sera : {role}.",
        "Pour accepter, saisissez votre mot de passe CAMCHA.",
        "Pour accepter, dites votre nom et choisissez un mot de passe d’au moins 12 caractères.",
        "Accepter l’invitation",
    ),
    Locale.EN: (
        "You are invited to CAMCHA",
        "Join this company. Your role there will be: {role}.",
        "To accept, enter your CAMCHA password.",
        "To accept, give your name and choose a password of at least 12 characters.",
        "Accept the invitation",
    ),
}
_LABELS = {
    Locale.FR: ("Votre nom", "Mot de passe", "Code de votre application, ou code de secours"),
    Locale.EN: ("Your name", "Password", "Code of your app, or a recovery code"),
}
_JOINED = {
    Locale.FR: Page("Bienvenue !", "Vous faites maintenant partie de l’entreprise. Fermez cette page et connectez-vous."),
    Locale.EN: Page("Welcome!", "You are a member of the company now. Close this page and sign in."),
}
