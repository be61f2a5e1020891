"""P2.4: invoices go by email to everyone who manages the billing, and to further recipients who
agreed.
"""

from typing import TYPE_CHECKING, Any

import pytest

from auth import throttle
from billing import checkout, invoice_emails
from billing.document_requests import render_due
from models.accounts.account import Membership, Role
from models.action import Action
from models.audit import AuditEntry
from models.billing.invoice import Invoice
from models.billing.invoice_recipient import InvoiceRecipient
from models.billing.offer import Price
from models.billing.purchase import Purchase
from models.locale import Locale
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.people import add_member, create_user, create_viewer
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

ADD = """mutation($i: InvoiceRecipientAddInput!) { invoiceRecipientAdd(input: $i) {
    recipient { id email status locale addedBy { name } } userErrors { code field message } } }"""
REMOVE = """mutation($i: InvoiceRecipientRemoveInput!) { invoiceRecipientRemove(input: $i) {
    removed userErrors { code field } } }"""
LIST = """query($id: ID!) { account(id: $id) { invoiceRecipients {
    email status confirmedAt refusedAt } } }"""
ACCOUNTANT = "noe@accountant.example"


async def member(action: Action, dataset: Dataset, name: str, role: Role, **columns: Any) -> Viewer:
    user = await create_user(action, name, **columns)
    await add_member(action, dataset.paul.account, user, role)
    return await create_viewer(action, user, dataset.paul.account)


async def buy(action: Action, services: Services, price: Price, buyer: Viewer) -> list[Email]:
    """Buys for Paul's company, and returns the emails with the invoice."""
    await Email.all().delete()
    assert buyer.account and buyer.user  # noqa: PT018 - a member's
    purchase = await checkout.draft(action, buyer.account, buyer.user, price, "new")
    purchase = await purchase.confirm_billing(action)
    checkout_services = services.checkout
    await checkout.pay(action, checkout_services, purchase, "pm_sandbox_success", "new")
    await render_due(action, services.auth.signer)
    return await Email.filter(template__startswith="invoice_issued").order_by("id")


async def add(execute: "Execute", viewer: Viewer, email: str = ACCOUNTANT, key: str = "k") -> Any:
    values = {"email": email, "locale": "EN", "idempotencyKey": key}
    response = await execute(viewer, ADD, i=values)
    return response["data"]["invoiceRecipientAdd"]


def codes(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(error["code"], error["field"]) for error in payload["userErrors"]]


async def test_p2_4_everyone_who_manages_the_billing_gets_the_invoice_in_their_language(
    dataset: Dataset, action: Action, services: Services, price: Price
) -> None:
    bea = await member(action, dataset, "Bea", Role.BILLING, locale=Locale.EN)
    await member(action, dataset, "Adam", Role.ADMIN)
    await member(action, dataset, "Ulla", Role.ADMIN, email_verified_at=None)
    left = await member(action, dataset, "Lea", Role.BILLING)
    await Membership.filter(user_id=left.user_id).delete()
    emails = await buy(action, services, price, bea)
    owner = dataset.paul.owner.user
    assert owner
    assert [(email.recipient, email.template) for email in emails] == [
        (owner.email, "invoice_issued.fr"),
        ("bea@fournil.example", "invoice_issued.en"),
        ("adam@fournil.example", "invoice_issued.fr"),
    ]
    assert len({email.invoice_id for email in emails}) == 1
    assert emails[0].invoice_id


async def test_a_buyer_of_another_role_gets_the_invoice_until_they_leave(
    dataset: Dataset, action: Action, services: Services, price: Price
) -> None:
    buyer = await member(action, dataset, "Max", Role.BILLING)
    await Membership.filter(user_id=buyer.user_id).update(role=Role.MEMBER)
    emails = await buy(action, services, price, buyer)
    assert "max@fournil.example" in [email.recipient for email in emails]
    await Membership.filter(user_id=buyer.user_id).delete()
    invoice = await Invoice.get(pk=emails[0].invoice_id)
    assert "max@fournil.example" not in [
        email.recipient for email in await send_again(action, services, invoice)
    ]


async def test_an_accountant_confirms_gets_invoices_and_stops_them(
    execute: "Execute", dataset: Dataset, action: Action, services: Services, price: Price
) -> None:
    bea = await member(action, dataset, "Bea", Role.BILLING)
    payload = await add(execute, bea)
    recipient = payload["recipient"]
    assert (recipient["email"], recipient["status"], recipient["locale"]) == (
        ACCOUNTANT,
        "PENDING",
        "EN",
    )
    assert recipient["addedBy"] == {"name": "Bea"}
    assert await add(execute, bea) == payload  # a repeat sends nothing
    [question] = await Email.filter(recipient=ACCOUNTANT)
    assert question.template == "invoice_recipient.en"
    assert "PAULMARK legal" in question.text
    # Nothing is sent without a confirmation.
    assert ACCOUNTANT not in [email.recipient for email in await buy(action, services, price, bea)]
    row, signer = await InvoiceRecipient.get(email=ACCOUNTANT), services.auth.signer
    token = invoice_emails.recipient_token(signer, row, action.at)
    await invoice_emails.answer(action, signer, token, accepts=True)
    # The company adds an address of its own, too: each address gets the invoice once.
    await InvoiceRecipient.create(
        account=dataset.paul.account,
        email="bea@fournil.example",
        locale=Locale.FR,
        created_at=action.at,
        confirmed_at=action.at,
    )
    emails = await send_again(action, services, dataset.paul.row(Invoice))
    assert sorted(email.recipient for email in emails).count("bea@fournil.example") == 1
    [email] = [email for email in emails if email.recipient == ACCOUNTANT]
    assert (email.template, email.user_id, email.account_id) == (
        "invoice_issued.en",
        None,
        dataset.paul.account.pk,
    )
    assert "/invoices/stop?token=" in email.text
    await invoice_emails.answer(action, signer, token, accepts=False)
    emails = await send_again(action, services, dataset.paul.row(Invoice))
    assert ACCOUNTANT not in [email.recipient for email in emails]
    # Who has refused isn't asked again, and stays listed.
    assert codes(await add(execute, bea, key="again")) == [
        ("ALREADY_RECIPIENT", ["input", "email"])
    ]
    response = await execute(bea, REMOVE, i={"recipientId": recipient["id"]})
    assert codes(response["data"]["invoiceRecipientRemove"]) == [
        ("NOT_ACTIVE", ["input", "recipientId"])
    ]


async def send_again(action: Action, services: Services, invoice: Invoice) -> list[Email]:
    """Sends an invoice again, and returns the emails."""
    await Email.all().delete()
    purchase = await Purchase.get(pk=invoice.purchase_id)
    async with action.transaction() as tx:
        await invoice_emails.send_invoice(tx, services.auth.signer, purchase, invoice)
    return await Email.all().order_by("id")


async def test_a_removed_recipient_gets_nothing_more(
    execute: "Execute", dataset: Dataset, action: Action, services: Services
) -> None:
    owner = dataset.paul.owner
    recipient = (await add(execute, owner))["recipient"]
    await InvoiceRecipient.all().update(confirmed_at=action.at)
    assert ACCOUNTANT in [
        email.recipient for email in await send_again(action, services, dataset.paul.row(Invoice))
    ]
    for expected in ([], [("NOT_FOUND", ["input", "recipientId"])]):
        response = await execute(owner, REMOVE, i={"recipientId": recipient["id"]})
        assert codes(response["data"]["invoiceRecipientRemove"]) == expected
    assert ACCOUNTANT not in [
        email.recipient for email in await send_again(action, services, dataset.paul.row(Invoice))
    ]
    # The key of a removed one creates no other.
    assert codes(await add(execute, owner)) == [("NOT_ACTIVE", ["input", "idempotencyKey"])]


@pytest.mark.parametrize("role", list(Role))
async def test_only_members_who_manage_the_billing_add_and_list_recipients(
    execute: "Execute", dataset: Dataset, action: Action, role: Role
) -> None:
    viewer = await member(action, dataset, "Ida", role)
    values = {"email": ACCOUNTANT, "idempotencyKey": "k"}
    response = await execute(viewer, ADD, i=values)
    listed = await execute(viewer, LIST, id=encode("Account", dataset.paul.account.pk))
    count = len(listed["data"]["account"]["invoiceRecipients"])
    if role is Role.MEMBER:
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert count == 0
        return
    assert response["data"]["invoiceRecipientAdd"]["userErrors"] == []
    assert count == 1
    entry = await AuditEntry.get(action="invoice_recipient.add")
    assert (entry.actor_id, entry.account_id) == (viewer.user_id, dataset.paul.account.pk)
    assert ACCOUNTANT not in entry.details


async def test_the_number_of_recipients_is_limited(
    execute: "Execute", dataset: Dataset, services: Services
) -> None:
    owner = dataset.paul.owner
    for number in range(invoice_emails.MAX_RECIPIENTS):
        payload = await add(execute, owner, f"{number}@accountant.example", str(number))
        assert payload["userErrors"] == []
    payload = await add(execute, owner, "more@accountant.example", "more")
    assert codes(payload) == [("RECIPIENTS_FULL", ["input", "email"])]
    assert "5" in payload["userErrors"][0]["message"]
    assert await Email.filter(template__startswith="invoice_recipient").count() == 5
    # Removing and adding again is limited as well.
    for number in range(throttle.INVOICE_RECIPIENT.free_attempts):
        values = {"email": f"a{number}@x.example", "idempotencyKey": f"a{number}"}
        response = await execute(owner, ADD, i=values)
    assert response["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
