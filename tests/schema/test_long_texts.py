"""Long texts and files count in the cost of an operation, and responses have a maximum size."""

from collections.abc import Iterator

import pytest
from graphql import GraphQLField, GraphQLObjectType, GraphQLString, get_named_type
from tortoise import fields

from engine import Engine, Params, RequestError
from models.identity.session import Session
from models.identity.user import Staff, User
from models.viewer import Viewer
from schema.fields import cost_of
from schema.root import schema
from settings import ResponseLimits

# They are shown, but validated to be short.
SHORT = {
    "Policy.title",
    "Offer.name",
    "Offer.description",
    "Offer.features",
    "Offer.advantages",
    "Article.title",
    "Article.summary",
    "ArticleVersion.title",
    "ArticleVersion.summary",
}


def text_fields() -> Iterator[tuple[str, GraphQLField]]:
    """The fields whose value is read from columns of unlimited length."""
    for name, type_ in schema._schema.type_map.items():
        definition = getattr(type_, "extensions", {}).get("strawberry-definition")
        model = getattr(getattr(definition, "origin", None), "backing_model", None)
        if not isinstance(type_, GraphQLObjectType) or model is None:
            continue
        unlimited_columns = {
            column
            for column, field in model._meta.fields_map.items()
            if isinstance(field, fields.TextField | fields.JSONField)
        }
        for field_name, field in type_.fields.items():
            if get_named_type(field.type) is not GraphQLString:
                continue
            strawberry_field = field.extensions["strawberry-definition"]
            needed_columns = strawberry_field.metadata.get("needs", (strawberry_field.python_name,))
            if unlimited_columns.intersection(needed_columns):
                yield f"{name}.{field_name}", field


def test_each_long_text_has_a_cost() -> None:
    fields_by_name = dict(text_fields())
    assert fields_by_name.keys() >= {"Message.body", "Article.body", *SHORT}
    free_fields = {name for name, field in fields_by_name.items() if not cost_of(field)}
    assert free_fields <= SHORT


# Texts of objects that aren't rows: names and codes that are short wherever they appear.
SHORT_NAMES = {
    "bic",
    "city",
    "clientSecret",
    "closes",
    "code",
    "country",
    "currency",
    "cursor",
    "dimensions",
    "dkim",
    "dmarc",
    "email",
    "emoji",
    "endCursor",
    "epoch",
    "error",
    "field",
    "formatted",
    "iban",
    "keys",
    "kind",
    "lastHash",
    "legalName",
    "name",
    "number",
    "opens",
    "phone",
    "policy",
    "postalCode",
    "pushPublicKey",
    "recoveryCodes",
    "reference",
    "secret",
    "spf",
    "startCursor",
    "streamEpoch",
    "street",
    "tags",
    "timeZone",
    "tradeName",
}
# Other short texts, of which each is made by the program or checked to be short.
SHORT_VALUES = {
    "AnalyticsMeasure.label",
    "AnalyticsReport.query",  # each report costs as much as the costliest query
    "AnalyticsRow.labels",
    "AnalyticsTable.dimensionLabels",
    "AuditDetail.value",
    "AuthorityNoticeContent.contactEmail",
    "AuthorityNoticeContent.contactName",
    "AuthorityNoticeContent.contactPhone",
    "AuthorityNoticeContent.contactRole",
    "AuthorityNoticeContent.earlierReference",
    "AutomationConditions.contains",
    "AutomationDryRun.currentState",
    "BuyerErasurePreview.digest",
    "ChannelAnswerTime.text",
    "ChatService.openingHours",
    "Contact.openingHours",
    "Entitlement.offer",
    "LiveChat.notice",
    "MailingEmail.subject",
    "PasskeyBeginPayload.options",
    "PasskeyChallengePayload.options",
    "PeopleNoticeContent.subjectEn",
    "PeopleNoticeContent.subjectFr",
    "PurchaseQuote.vatMention",
    "QuotedLine.description",
    "QuotedLine.label",
    "RefusedFile.reason",
    "SessionTokens.accessToken",
    "SessionTokens.refreshToken",
    "TicketActions.addTags",
    "TicketActions.removeTags",
    "TotpSetUpPayload.qrCodeSvg",
    "TransferInstructions.holder",
    "UserError.message",
    "VatNumberCheck.consultationNumber",
    "VatNumberCheck.registeredName",
}


def texts_of_other_objects() -> Iterator[tuple[str, GraphQLField]]:
    """The texts of objects that aren't rows, so that no column says how long they can be."""
    for name, type_ in schema._schema.type_map.items():
        definition = getattr(type_, "extensions", {}).get("strawberry-definition")
        if not isinstance(type_, GraphQLObjectType) or name.startswith("__"):
            continue
        if getattr(getattr(definition, "origin", None), "backing_model", None) is None:
            for field_name, field in type_.fields.items():
                if get_named_type(field.type) is GraphQLString:
                    yield f"{name}.{field_name}", field


def test_each_text_of_another_object_has_a_cost_or_is_short() -> None:
    fields_by_name = dict(texts_of_other_objects())
    free = {name for name, field in fields_by_name.items() if not cost_of(field)}
    undeclared = {
        name
        for name in free - SHORT_VALUES
        if name.partition(".")[2] not in SHORT_NAMES and not name.lower().endswith(("url", "uri"))
    }
    assert undeclared == set()
    assert fields_by_name.keys() >= SHORT_VALUES | {"IncidentEntry.text", "IncidentDetail.value"}
    assert free >= SHORT_VALUES


def prepared_cost(engine: Engine, query: str) -> int:
    return engine.prepare(Params(query), cost_limit=5_000).cost


def test_lists_of_long_texts_are_too_costly(engine: Engine) -> None:
    lists = " ".join(
        f'a{n}: node(id: "x") {{ ... on Ticket {{ messages(last: 100) {{ nodes {{ body }} }} }} }}'
        for n in range(24)
    )
    with pytest.raises(RequestError) as raised:
        prepared_cost(engine, f"{{ {lists} }}")
    assert raised.value.errors[0]["extensions"]["code"] == "QUERY_TOO_COSTLY"
    assert raised.value.errors[0]["extensions"]["cost"] > 14_000


def test_a_page_of_a_chat_and_of_the_library_can_be_read(engine: Engine) -> None:
    chat = """{ tickets(first: 20) { nodes { subject messages(last: 20) {
        nodes { body author { name } files { name downloadUrl } } } } } }"""
    assert prepared_cost(engine, chat.replace("20", "5")) < 5_000
    assert prepared_cost(engine, "{ articles(first: 100) { nodes { title body } } }") < 5_000


@pytest.mark.parametrize(
    ("viewer", "limit"),
    [
        (Viewer(), 1),
        (Viewer(user=User()), 2),
        (Viewer(user=User(staff=Staff.AGENT), session=Session(second_factor=True)), 3),
        (Viewer(user=User(staff=Staff.ANALYST), session=Session(second_factor=True)), 4),
    ],
    ids=["anonymous", "customer", "agent", "analyst"],
)
def test_the_size_of_responses_is_limited_by_role(viewer: Viewer, limit: int) -> None:
    limits = ResponseLimits(anonymous=1, customer=2, staff=3, analyst=4)
    assert limits.limit_of(viewer) == limit
