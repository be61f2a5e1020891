"""A version of a notice of a breach as a file: a PDF, or plain text to copy from.

The notification of the authority has the questions of the form of the CNIL in the order of that
form (www.cnil.fr/fr/notifier-une-violation-de-donnees-personnelles), and is in French. A message to
people is in both languages.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from babel.numbers import format_decimal

from billing.documents.facts import Party
from billing.documents.rendering import render_page
from models.clock import local_date
from models.locale import Locale
from models.privacy.incident import NOTIFICATION_PERIOD, Incident, IncidentAudience
from models.privacy.incident_notice import (
    AuthorityContent,
    BreachCause,
    BreachGravity,
    BreachNature,
    BreachOrigin,
    IncidentNotice,
    IncidentNoticeStatus,
    IncidentNoticeVersion,
    NoticeStage,
    PeopleContent,
)
from models.translations import Translatable, _, text, time_of_day

TEMPLATE = Path(__file__).parent / "templates" / "notice.typ"
_FR = Locale.FR
_STAGES = {
    NoticeStage.COMPLETE: _("Complete notification"),
    NoticeStage.INITIAL: _("Initial notification, to be completed"),
    NoticeStage.COMPLEMENTARY: _("Complementary notification"),
}
_NATURES = {
    BreachNature.CONFIDENTIALITY: _("loss of confidentiality"),
    BreachNature.INTEGRITY: _("loss of integrity"),
    BreachNature.AVAILABILITY: _("loss of availability"),
}
_ORIGINS = {
    BreachOrigin.LOST_DEVICE: _("lost or stolen equipment"),
    BreachOrigin.LOST_PAPER: _("paper documents lost, stolen or left in an unsecured place"),
    BreachOrigin.LOST_MAIL: _("mail lost, or opened before it was returned to its sender"),
    BreachOrigin.HACKING: _("hacking, malware or phishing"),
    BreachOrigin.DISCARDED_PAPER: _("disposal of paper documents without destroying them"),
    BreachOrigin.DISCARDED_DEVICE: _("disposal of devices without erasing them securely"),
    BreachOrigin.PUBLICATION: _("unintended publication"),
    BreachOrigin.WRONG_ACCESS: _("data of the wrong person shown in a customer’s account"),
    BreachOrigin.WRONG_RECIPIENT: _("data sent to the wrong recipient"),
    BreachOrigin.VERBAL_DISCLOSURE: _("verbal disclosure"),
    BreachOrigin.OTHER: _("other"),
}
_CAUSES = {
    BreachCause.INTERNAL_ACCIDENTAL: _("internal, accidental"),
    BreachCause.INTERNAL_MALICIOUS: _("internal, malicious"),
    BreachCause.EXTERNAL_ACCIDENTAL: _("external, accidental"),
    BreachCause.EXTERNAL_MALICIOUS: _("external, malicious"),
    BreachCause.OTHER: _("other"),
    BreachCause.UNKNOWN: _("unknown"),
}
_GRAVITIES = {
    BreachGravity.NEGLIGIBLE: _("negligible"),
    BreachGravity.LIMITED: _("limited"),
    BreachGravity.SIGNIFICANT: _("significant"),
    BreachGravity.MAXIMAL: _("maximal"),
}


class NoticeFormat(StrEnum):
    """The format of a notice's file."""

    PDF = "PDF"
    TEXT = "TEXT"

    @property
    def extension(self) -> str:
        """The extension of the file's name."""
        return "pdf" if self is NoticeFormat.PDF else "txt"

    @property
    def media_type(self) -> str:
        """The media type of the file."""
        return "application/pdf" if self is NoticeFormat.PDF else "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Section:
    """A part of the file: answers by question, or paragraphs without a question."""

    heading: str
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class NoticeDocument:
    """What a file of a notice contains."""

    title: str
    introduction: str
    footer: str
    is_form: bool
    sections: tuple[Section, ...]

    @property
    def plain_text(self) -> str:
        """The file as plain text."""
        parts = [f"{self.title}\n{self.introduction}"]
        for section in self.sections:
            parts.append(f"{section.heading}\n{'-' * len(section.heading)}")
            parts += [
                f"{question}\n{answer}" if question else answer
                for question, answer in section.answers
            ]
        return "\n\n".join(parts) + "\n"

    async def pdf(self, at: datetime) -> bytes:
        """The file as PDF. Raises RenderingError."""
        page = {
            "locale": _FR.value,
            "title": self.title,
            "introduction": self.introduction,
            "footer": self.footer,
            "is-form": self.is_form,
            "sections": [
                {
                    "heading": section.heading,
                    "answers": [
                        {"question": question, "answer": answer}
                        for question, answer in section.answers
                    ],
                }
                for section in self.sections
            ],
        }
        return await render_page(TEMPLATE, page, at)


def file_name(incident: Incident, notice: IncidentNotice, version: IncidentNoticeVersion) -> str:
    """The name of the file of a version, without its extension."""
    kind = "cnil" if notice.audience is IncidentAudience.AUTHORITY else "message"
    return f"{incident.number}-{notice.number}-{kind}-v{version.number}"


async def notice_file(
    key: int, format_: NoticeFormat, seller: Party, at: datetime
) -> AsyncIterator[bytes]:
    """The file of a version, in one piece."""
    version = await IncidentNoticeVersion.get(pk=key).select_related("notice__incident")
    document = notice_document(version.notice.incident, version.notice, version, seller, at)
    is_pdf = format_ is NoticeFormat.PDF
    yield await document.pdf(at) if is_pdf else document.plain_text.encode()


def notice_document(
    incident: Incident,
    notice: IncidentNotice,
    version: IncidentNoticeVersion,
    seller: Party,
    at: datetime,
) -> NoticeDocument:
    """The file of a version of a notice, as of `at`. `seller` is the controller (GDPR, Article
    4(7)).
    """
    content = version.parsed_content
    is_authority = isinstance(content, AuthorityContent)
    title = (
        _("Notification of a personal data breach")
        if is_authority
        else _("Message to the people concerned by a breach")
    )
    facts = [incident.number, text(_("version %(number)s"), _FR, number=version.number)]
    facts.append(text(_("of %(day)s"), _FR, day=local_date(version.at)))
    is_sent = notice.status is IncidentNoticeStatus.SENT and version.number == notice.version
    if is_sent and notice.sent_at:
        facts.append(text(_("sent on %(day)s"), _FR, day=local_date(notice.sent_at)))
        if notice.reference:
            facts.append(text(_("reference %(number)s"), _FR, number=notice.reference))
    else:
        facts.append(text(_("draft"), _FR))
    introduction = " · ".join(facts)
    if isinstance(content, AuthorityContent):
        sections = tuple(_authority_sections(incident, notice, content, seller, at))
    else:
        sections = tuple(_people_sections(content))
    return NoticeDocument(
        text(title, _FR),
        introduction,
        f"{seller.name} · {incident.number}",
        is_authority,
        sections,
    )


def _people_sections(content: PeopleContent) -> Iterator[Section]:
    """The message in each language. Of a paragraph with several lines, the first is a heading."""
    for locale in (Locale.FR, Locale.EN):
        paragraphs = [each.strip() for each in content.body(locale).split("\n\n") if each.strip()]
        parts = [each.partition("\n") for each in paragraphs]
        yield Section(
            content.subject(locale),
            tuple((first, rest) if rest else ("", first) for first, _, rest in parts),
        )


def _authority_sections(
    incident: Incident,
    notice: IncidentNotice,
    content: AuthorityContent,
    seller: Party,
    at: datetime,
) -> Iterator[Section]:
    earlier = (_("Number of the initial notification"), content.earlier_reference)
    yield _section(
        _("The notification"),
        (_("Kind of notification"), _label(_STAGES, notice.stage)),
        *([earlier] if notice.stage is NoticeStage.COMPLEMENTARY else ()),
    )
    address = ", ".join((*seller.address.lines, f"{seller.address.postcode} {seller.address.city}"))
    yield _section(
        _("The organization"),
        (_("Name"), seller.name),
        (_("SIREN"), seller.siren),
        (_("Address"), address),
        (_("Contact"), content.contact_name),
        (_("Role of the contact"), content.contact_role),
        (_("Email of the contact"), content.contact_email),
        (_("Phone number of the contact"), content.contact_phone),
        (_("Processors and other organizations involved"), content.processors),
    )
    deadline_at = (content.discovered_at or incident.aware_at) + NOTIFICATION_PERIOD
    is_late = (notice.sent_at or at) > deadline_at
    delay = (_("Reasons for a notification after 72 hours"), content.delay_reason)
    yield _section(
        _("The breach"),
        (_("Beginning"), _moment(content.started_at)),
        (_("End"), _moment(content.ended_at)),
        (_("Discovery"), _moment(content.discovered_at)),
        (_("End of the 72 hours"), _moment(deadline_at)),
        *([delay] if is_late or content.delay_reason else ()),
        (_("Circumstances"), content.circumstances),
        (_("Nature"), ", ".join(_label(_NATURES, each) for each in content.natures)),
        (_("Origins"), ", ".join(_label(_ORIGINS, each) for each in content.origins)),
        (_("Causes"), ", ".join(_label(_CAUSES, each) for each in content.causes)),
    )
    yield _section(
        _("The data and the people concerned"),
        (_("Categories of data"), content.data_categories),
        (_("Approximate number of records"), _count(content.record_count)),
        (_("Categories of people"), content.people_categories),
        (_("Approximate number of people"), _count(content.people_count)),
    )
    yield _section(
        _("Consequences and measures"),
        (_("Security measures before the breach"), content.prior_measures),
        (_("Likely consequences"), content.consequences),
        (_("Gravity for the people concerned"), _label(_GRAVITIES, content.gravity)),
        (_("Measures taken or proposed"), content.measures),
    )
    yield _section(
        _("Information of the people concerned"),
        (_("Information of the people concerned"), content.people_informed),
        (_("People in other countries"), content.other_countries),
    )


def _section(heading: Translatable, *answers: tuple[Translatable, str]) -> Section:
    unknown = text(_("not known yet"), _FR)
    return Section(
        text(heading, _FR),
        tuple((text(question, _FR), answer or unknown) for question, answer in answers),
    )


def _label(labels: Mapping[Any, Translatable], value: StrEnum | None) -> str:
    return text(labels[value], _FR) if value else ""


def _moment(at: datetime | None) -> str:
    if at is None:
        return ""
    return text(_("%(day)s at %(time)s"), _FR, day=local_date(at), time=time_of_day(at, _FR))


def _count(count: int | None) -> str:
    return "" if count is None else format_decimal(count, locale=_FR.value)
