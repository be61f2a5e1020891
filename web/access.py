"""Pages that emails about an account's access lead to: a new password, another address. Only a button changes anything."""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth import email_change
from auth.cookies import Cookies
from auth.passwords import change
from auth.throttle import unlocking
from mail import emails
from models.action import Action
from models.errors import DomainError, ErrorCode, Refusal, Throttled
from models.identity.user import User
from models.locale import Locale
from models.messages import worded
from resolvers.context import Services
from resolvers.identity.passwords import password_notice
from web.page import Field, Page, act_of, form, language, not_found, shown, too_large

_FORM_BYTES = 4096  # a password of 128 characters takes up to 1,536, as browsers write it


def routes(services: Services) -> list[Route]:
    """The pages, each with what its button does."""
    reset, move, unlock = _Reset(services), _Move(services), _Unlock(services)
    return [
        Route("/unlock", unlock.ask),
        Route("/unlock", unlock.allow, methods=["POST"]),
        Route("/reset", reset.ask),
        Route("/reset", reset.set, methods=["POST"]),
        Route("/email", move.ask),
        Route("/email", move.confirm, methods=["POST"]),
    ]


@dataclass(frozen=True)
class _Reset:
    """The address of an email that lets its reader choose a new password."""

    services: Services

    async def ask(self, request: Request) -> Response:
        """Offer the form, if the link would work."""
        try:
            user = await change.reader_of(act_of(request, self.services), _token(request))
        except Refusal:
            return not_found(request)
        return _form(request, user)

    async def set(self, request: Request) -> Response:
        """Set the password, or show the form again and say what is wrong."""
        given = await form(request, _FORM_BYTES)
        if given is None:
            return too_large(request)
        action = act_of(request, self.services)
        try:
            user = await change.reader_of(action, _token(request))
            return await self._attempted(request, action, user, given)
        except Refusal:
            return not_found(request)

    async def _attempted(self, request: Request, action: Action, user: User, given: dict[str, str]) -> Response:
        password, code = given.get("password", ""), given.get("code")
        auth, notice = self.services.auth, password_notice(self.services)
        try:
            await change.reset(action, auth, notice, token=_token(request), password=password, code=code)
        except (Refusal, Throttled) as fault:
            if fault.code == ErrorCode.TOKEN_INVALID:
                raise
            return _form(request, user, fault)
        return shown(request, _SET[language(request)])


@dataclass(frozen=True)
class _Move:
    """The address of the emails that ask whether another address is right: the new one's and the old one's."""

    services: Services

    async def ask(self, request: Request) -> Response:
        """Offer the button, if the link would work."""
        try:
            wish = await email_change.wish_of(act_of(request, self.services), _token(request))
        except Refusal:
            return not_found(request)
        return shown(request, replace(_MOVE[language(request)], figure=wish.email))

    async def confirm(self, request: Request) -> Response:
        """Note the confirmation."""
        if await form(request) is None:
            return too_large(request)
        try:
            done = await email_change.confirm(act_of(request, self.services), emails.email_changed, _token(request))
        except Refusal:
            return not_found(request)
        return shown(request, (_MOVED if done else _NOTED)[language(request)])


@dataclass(frozen=True)
class _Unlock:
    """The address of an email past the waits: its button lets this browser's next sign-in be heard at once."""

    services: Services

    async def ask(self, request: Request) -> Response:
        """Offer the button, if the link would work."""
        return await self._if_good(request, _UNLOCK)

    async def allow(self, request: Request) -> Response:
        """Keep the token in this browser, for sign-ins from pages of ours."""
        if await form(request) is None:
            return too_large(request)
        answer = await self._if_good(request, _UNLOCKED)
        if answer.status_code == 200:
            cookies = Cookies(None, secure=self.services.base_url.startswith("https://"), trusted=lambda: True)
            cookies.unlocked(_token(request), int(unlocking.LIFETIME.total_seconds()))
            answer.raw_headers += cookies.headers()
        return answer

    async def _if_good(self, request: Request, page: dict[Locale, Page]) -> Response:
        try:
            await unlocking.require_good(act_of(request, self.services), _token(request))
        except Refusal:
            return not_found(request)
        return shown(request, page[language(request)])


def _token(request: Request) -> str:
    return request.query_params.get("token", "")


def _form(request: Request, user: User, fault: DomainError | None = None) -> Response:
    locale = language(request)
    fields = _FIELDS[locale] if user.second_factor else _FIELDS[locale][:1]
    page = replace(_RESET[locale], fields=fields, notice=worded(fault, locale) if fault else "")
    return shown(request, page, 200 if fault is None else 429 if isinstance(fault, Throttled) else 422)


_RESET = {
    Locale.FR: Page(
        "Choisissez un nouveau mot de passe",
        "12 à 128 caractères, difficiles à deviner. Vos appareils seront tous déconnectés.",
        buttons=(("set", "Enregistrer"),),
    ),
    Locale.EN: Page(
        "Choose a new password",
        "12 to 128 characters that are hard to guess. All your devices will be signed out.",
        buttons=(("set", "Save"),),
    ),
}
_FIELDS = {
    Locale.FR: (
        Field("password", "Nouveau mot de passe", "password", "new-password"),
        Field("code", "Code de votre application, ou code de secours", "text", "one-time-code"),
    ),
    Locale.EN: (
        Field("password", "New password", "password", "new-password"),
        Field("code", "Code of your app, or a recovery code", "text", "one-time-code"),
    ),
}
_UNLOCK = {
    Locale.FR: Page(
        "Connectez-vous sans attendre",
        "Faites-le dans le navigateur où vous vous connectez. Votre mot de passe vous sera demandé comme toujours.",
        buttons=(("allow", "Continuer"),),
    ),
    Locale.EN: Page(
        "Sign in without waiting",
        "Do so in the browser in which you sign in. You will be asked for your password as always.",
        buttons=(("allow", "Go on"),),
    ),
}
_UNLOCKED = {
    Locale.FR: Page(
        "Vous pouvez vous connecter", "Pendant 30 minutes, les essais des autres ne vous feront plus attendre ici."
    ),
    Locale.EN: Page("You can sign in", "For 30 minutes, what others try won’t make you wait here any longer."),
}
_SET = {
    Locale.FR: Page("Mot de passe enregistré", "Merci ! Vous pouvez fermer cette page et vous connecter."),
    Locale.EN: Page("Password saved", "Thank you! You can close this page and sign in."),
}
_MOVE = {
    Locale.FR: Page(
        "Confirmez la nouvelle adresse e-mail",
        "Si vous n’avez rien demandé, fermez simplement cette page : sans confirmation, rien ne change.",
        buttons=(("move", "Confirmer cette adresse"),),
    ),
    Locale.EN: Page(
        "Confirm the new e-mail address",
        "If you did not ask for anything, simply close this page: unless confirmed, nothing changes.",
        buttons=(("move", "Confirm this address"),),
    ),
}
_MOVED = {
    Locale.FR: Page("Adresse modifiée", "Merci ! Connectez-vous désormais avec la nouvelle adresse."),
    Locale.EN: Page("Address changed", "Thank you! From now on, sign in with the new address."),
}
_NOTED = {
    Locale.FR: Page(
        "Confirmation enregistrée", "Merci ! Il reste à confirmer depuis l’autre adresse, où un message vous attend."
    ),
    Locale.EN: Page("Confirmation noted", "Thank you! Now confirm from the other address, where a message is waiting for you."),
}
