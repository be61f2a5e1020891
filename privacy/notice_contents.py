"""What a new notice of a breach says: what the register knows about the incident, and marks where
the security team has to complete it.

What the reporter wrote isn't copied: versions of a notice are never changed, so an erasure couldn't
remove it.
"""

from dataclasses import replace
from typing import Any

from models.clock import local_date
from models.locale import Locale
from models.privacy.incident import Incident, IncidentSeverity
from models.privacy.incident_notice import (
    GAP_MARK,
    AuthorityContent,
    BreachGravity,
    DataProtectionContact,
    NoticeStage,
    PeopleContent,
)
from models.translations import Translatable, _, text

_GRAVITIES = {
    IncidentSeverity.LOW: BreachGravity.NEGLIGIBLE,
    IncidentSeverity.MEDIUM: BreachGravity.LIMITED,
    IncidentSeverity.HIGH: BreachGravity.SIGNIFICANT,
}


def authority_content(
    incident: Incident,
    contact: DataProtectionContact,
    stage: NoticeStage,
    earlier: AuthorityContent | None,
) -> AuthorityContent:
    """What the register knows of what the form of the CNIL asks for, in French. `earlier` is the
    content of the incident's last notice to the authority: what it says and the register doesn't
    know is taken from it.
    """
    known: dict[str, Any] = {
        "discovered_at": incident.aware_at,
        "delay_reason": incident.authority_delay_reason,
        "people_count": incident.people_count,
        "data_categories": incident.data_categories,
        "record_count": incident.record_count,
        "consequences": incident.consequences,
        "gravity": _GRAVITIES.get(incident.severity),
        "measures": incident.measures,
        "people_informed": _people_informed(incident),
    }
    if stage is NoticeStage.COMPLEMENTARY:
        known["earlier_reference"] = incident.authority_reference
    if earlier is None:
        known |= {
            "contact_name": contact.name,
            "contact_role": contact.role,
            "contact_email": contact.email,
            "contact_phone": contact.phone,
        }
    values = {name: value for name, value in known.items() if value not in (None, "")}
    return replace(earlier or AuthorityContent(), **values)


def _people_informed(incident: Incident) -> str:
    """Whether the people concerned are told, as far as it is decided."""
    if incident.people_notified_at:
        day = local_date(incident.people_notified_at)
        return text(_("They were informed on %(day)s."), Locale.FR, day=day)
    if incident.people_required is None:
        return text(_("It hasn’t been decided yet whether they are informed."), Locale.FR)
    if incident.people_required:
        return text(_("They will be informed."), Locale.FR)
    reason = incident.people_reason
    return text(_("They aren’t informed: %(reason)s"), Locale.FR, reason=reason)


def people_content(incident: Incident, contact: DataProtectionContact) -> PeopleContent:
    """A message in both languages with everything that the law requires (GDPR, Article 34(2)). The
    register is in French, so its texts are marked as missing in the English one.
    """
    subject = _("Security incident: your personal data")
    return PeopleContent(
        subject_fr=text(subject, Locale.FR),
        body_fr=_body(incident, contact, Locale.FR),
        subject_en=text(subject, Locale.EN),
        body_en=_body(incident, contact, Locale.EN),
    )


def _body(incident: Incident, contact: DataProtectionContact, locale: Locale) -> str:
    def known(value: str) -> str:
        return value if value and locale is Locale.FR else GAP_MARK

    what_happened = text(
        _("On %(day)s we learned of it: %(gap)s"),
        locale,
        day=local_date(incident.aware_at),
        gap=GAP_MARK,
    )
    sections: tuple[tuple[Translatable, str], ...] = (
        (_("What happened"), what_happened),
        (_("The data concerned"), known(incident.data_categories)),
        (_("What this can mean for you"), known(incident.consequences)),
        (_("What we have done"), known(incident.measures)),
        (_("What you can do"), GAP_MARK),
        (
            _("Questions"),
            text(
                _(
                    "Contact us: %(contact)s. You can also lodge a complaint with the French data "
                    "protection authority, the CNIL (www.cnil.fr)."
                ),
                locale,
                contact=contact.line,
            ),
        ),
    )
    introduction = _(
        "We are writing to you because a security incident concerns your personal data."
    )
    paragraphs = [f"{text(heading, locale)}\n{value}" for heading, value in sections]
    return "\n\n".join([text(introduction, locale), *paragraphs])
