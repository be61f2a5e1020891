"""The words of every refusal and error, in each language: the only place where codes become sentences."""

from models.errors import BadInput, DomainError, Refusal, Throttled
from models.locale import Locale

WORDS: dict[str, tuple[str, str]] = {
    "AFTER_AHEAD": (
        "Ce repère est en avance sur la conversation : reprenez depuis le début.",
        "This cursor is ahead of the conversation: start again from the beginning.",
    ),
    "ACCOUNT_INACTIVE": (
        "Le compte de cette entreprise n'est pas actif : demandez sa réactivation au support.",
        "This company's account is not active: ask support to reactivate it.",
    ),
    "ALREADY_CLAIMED": (
        "Un autre conseiller s'occupe déjà de cette demande.",
        "Another agent has already taken this ticket.",
    ),
    "ALREADY_INVITED": (
        "Cette adresse a déjà une invitation en attente : renvoyez-la, ou annulez-la d'abord.",
        "This address has an invitation already: send it again, or revoke it first.",
    ),
    "ALREADY_MEMBER": ("Cette personne fait déjà partie de l'entreprise.", "This person is a member of the company already."),
    "BLANK": ("Ce champ ne peut pas être vide.", "This field can't be empty."),
    "CHANGE_RUNNING": (
        "Un changement est déjà en cours : complétez-le, ou annulez-le d'abord.",
        "A change is under way already: complete it, or take it back first.",
    ),
    "COOKIES_UNAVAILABLE": (
        "Une connexion websocket ne peut pas changer de cookies : envoyez cette requête par HTTP.",
        "A websocket can't change cookies: send this request by HTTP.",
    ),
    "CREDENTIALS_INVALID": (
        "Adresse e-mail ou mot de passe incorrect.",
        "The e-mail address or the password is wrong.",
    ),
    "EMAIL_INVALID": ("Cette adresse e-mail n'est pas valable.", "This e-mail address is not valid."),
    "EMAIL_TAKEN": (
        "Quelqu'un se connecte déjà avec cette adresse.",
        "Somebody signs in with this address already.",
    ),
    "EMAIL_UNVERIFIED": (
        "Confirmez d'abord votre adresse e-mail : nous vous avons envoyé un lien.",
        "Confirm your e-mail address first: we sent you a link.",
    ),
    "EVIDENCE_MISSING": (
        "Aucun justificatif lisible n'a été joint.",
        "No evidence that can be read was shown.",
    ),
    "FILE_REFUSED": (
        "Ce fichier ne peut pas être joint : {limit} au plus, envoyés par vous et pas encore joints.",
        "This file can't be attached: at most {limit}, uploaded by you and not attached yet.",
    ),
    "FILE_UNSUPPORTED": (
        "Ce fichier ne peut pas être envoyé : images, PDF, textes et documents de bureau, 10 Mio au plus.",
        "This file can't be sent: images, PDF, texts and office documents, at most 10 MiB.",
    ),
    "IDEMPOTENCY_MISMATCH": (
        "Cette clé d'idempotence a déjà servi avec d'autres données.",
        "This idempotency key was already used with other arguments.",
    ),
    "INVITATION_ELSEWHERE": (
        "Cette invitation a été envoyée à une autre adresse que la vôtre.",
        "This invitation was sent to another address than yours.",
    ),
    "LAST_AUTHENTICATOR": (
        "Votre rôle demande un second facteur : ajoutez-en un autre avant de retirer celui-ci.",
        "Your role needs a second factor: add another one before you remove this one.",
    ),
    "LAST_OPERATOR": (
        "Il doit rester un exploitant : donnez d'abord ce rôle à quelqu'un d'autre.",
        "One operator must stay: give somebody else this role first.",
    ),
    "LAST_OWNER": (
        "L'entreprise doit garder un propriétaire : transmettez d'abord la propriété.",
        "The company must keep an owner: transfer the ownership first.",
    ),
    "EMAIL_CONTENT_DELETED": (
        "Ce message contenait un code secret, effacé depuis : son destinataire doit le redemander.",
        "This email carried a secret code, which is deleted by now: its reader has to ask for it again.",
    ),
    "NOT_ACTIVE": ("Ceci n'est pas actif.", "This is not active."),
    "NOT_FOUND": ("Introuvable.", "Not found."),
    "PASSKEY_INVALID": (
        "Cette clé d'accès n'a pas pu être vérifiée : recommencez.",
        "This passkey could not be verified: begin again.",
    ),
    "PASSWORD_WEAK.BREACHED": (
        "Ce mot de passe figure dans une fuite de données connue : choisissez-en un autre.",
        "This password is part of a known data breach: choose another one.",
    ),
    "PASSWORD_WEAK": (
        "Ce mot de passe est trop faible : 12 à 128 caractères, difficiles à deviner.",
        "This password is too weak: 12 to 128 characters that are hard to guess.",
    ),
    "PAYMENT_DECLINED": ("Le paiement a été refusé ({reason}).", "The payment was declined ({reason})."),
    "PAYMENT_UNAVAILABLE": (
        "Le service de paiement ne répond pas. Vous n'avez pas été débité deux fois : réessayez.",
        "The payment provider does not answer. You were not charged twice: try again.",
    ),
    "POLICY_NOT_IN_FORCE": (
        "Ce texte n'est pas la version en vigueur : lisez la version actuelle, puis acceptez-la.",
        "This is not the version in force: read the current one, then accept it.",
    ),
    "REQUEST_MISSING": (
        "Il faut une demande ouverte d'un propriétaire de l'entreprise.",
        "An open request by an owner of the company is needed.",
    ),
    "ROLE_RESERVED": (
        "Seul un propriétaire peut donner ou retirer ce rôle, et jamais par une invitation.",
        "Only an owner can give this role or take it away, and never by an invitation.",
    ),
    "SECOND_FACTOR_INVALID": (
        "Ce code n'est pas valable, ou il a déjà servi : attendez le suivant.",
        "This code is not valid, or was used already: wait for the next one.",
    ),
    "SECOND_FACTOR_REQUIRED": (
        "Entrez le code de votre application d'authentification ou un code de secours, ou utilisez votre clé d'accès.",
        "Enter the code of your authenticator app or a recovery code, or use your passkey.",
    ),
    "SECOND_FACTOR_RESERVED": (
        "Vous ne pouvez pas réinitialiser ce second facteur : demandez à notre support.",
        "You can't reset this second factor: ask our support.",
    ),
    "SIGN_IN_REQUIRED": (
        "Vous avez déjà un compte à cette adresse : connectez-vous, puis acceptez l'invitation.",
        "You have a sign-in with this address already: sign in, then accept the invitation.",
    ),
    "SIREN_INVALID": ("Ce numéro SIREN n'est pas valable.", "This SIREN number is not valid."),
    "SIREN_OTHER": (
        "Ce numéro est celui d'une autre entité juridique : un autre SIREN, c'est un autre compte.",
        "This number belongs to another legal entity: another SIREN is another account.",
    ),
    "SIRET_INVALID": ("Ce numéro SIRET n'est pas valable.", "This SIRET number is not valid."),
    "STEP_UP_REQUIRED": (
        "Confirmez d'abord votre identité : votre mot de passe et, s'il est actif, votre second facteur, ou une clé d'accès.",
        "Prove who you are first: with your password and, if it is on, your second factor, or with a passkey.",
    ),
    "TOKEN_INVALID": ("Ce lien n'est plus valable.", "This link is no longer valid."),
    "TOO_LONG": ("{length} caractères au plus.", "At most {length} characters."),
    "TOO_MANY": ("{limit} au plus : retirez-en un d'abord.", "At most {limit}: remove one first."),
    "TRANSITION_ILLEGAL": (
        "Impossible dans l'état {status} ; possible : {legal}.",
        "Not possible in the state {status}; possible: {legal}.",
    ),
    "VALUE_INVALID": ("Cette valeur n'est pas valable.", "This value is not valid."),
    "VAT_NUMBER_INVALID": ("Ce numéro de TVA n'est pas valable.", "This VAT number is not valid."),
    "UNAUTHENTICATED": ("Connectez-vous.", "Sign in."),
    "FORBIDDEN": ("Votre rôle ne le permet pas.", "Your role does not allow this."),
    "ORIGIN_REFUSED": (
        "Cet appel porte des cookies mais ne vient pas d'une page autorisée.",
        "This call carries cookies but was not sent by a page that may.",
    ),
    "BAD_USER_INPUT": (
        "L'argument {argument} n'est pas valable : {reason}.",
        "The argument {argument} is not valid: {reason}.",
    ),
    "RATE_LIMITED": (
        "Trop de tentatives. Réessayez dans {retry_after} s.",
        "Too many attempts. Try again in {retry_after} s.",
    ),
}


def worded(error: DomainError, locale: Locale) -> str:
    """What went wrong, as a sentence in the viewer's language, or that of the error's own."""
    facts = _facts(error)
    french, english = WORDS.get(f"{error.code}.{facts.get('reason')}") or WORDS[error.code]
    return (english if (error.locale or locale) is Locale.EN else french).format(**facts)


def _facts(error: DomainError) -> dict[str, object]:
    if isinstance(error, Refusal):
        return error.facts
    if isinstance(error, BadInput):
        return {"argument": error.argument, "reason": error.reason}
    return {"retry_after": error.retry_after} if isinstance(error, Throttled) else {}
