"""Fill a demonstration with people who can sign in, and with six months of history.

The history is not written into tables directly. It is replayed in order through the same functions
that customers, agents and jobs use, each with the date of its day, so streams, metrics, renewals
and invoice numbers are exactly what they would have been. The documents of invoices are made when
someone downloads them, except for invoices that were handed over to the invoicing platform.
"""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tortoise.expressions import F
from tortoise.transactions import in_transaction

from auth.factors import totp
from auth.services import AuthServices
from billing import checkout
from billing.bank.importing import import_statement
from billing.bank.matching import match_new_lines
from billing.bank.transfer import pay_by_transfer
from billing.changes.ordering import Agreement, order_change
from billing.changes.plan import ChangeRequest, plan_change
from billing.checkout_services import CheckoutServices
from billing.corrections import CorrectionRequest, correct_invoice
from billing.credit_notes import CreditRequest, credit_invoice
from billing.delivery.collections import report_due
from billing.delivery.flows import Flow, FlowType, NewFlow
from billing.delivery.life_cycle import LifeCycle
from billing.delivery.sending import deliver_due, fail_delivery
from billing.delivery.statuses import apply_status
from billing.disputes import DisputeRequest, open_dispute
from billing.document_requests import make_document
from billing.dunning import dun_late_invoices
from billing.promotions import PromotionTerms, create_promotion
from billing.renewals import bill_due_periods
from models.accounts.account import Account, Membership, Role
from models.action import Action, Bus
from models.billing.delivery import DeliveryChannel, InvoiceDelivery
from models.billing.dispute import DisputeReason
from models.billing.invoice import DocumentRequest, DocumentType, Invoice
from models.billing.money import to_decimal
from models.billing.offer import Interval, Price
from models.billing.platform_status import PlatformStatusCode
from models.billing.purchase import Purchase
from models.billing.receivable import Receivable
from models.billing.refund import RefundDestination
from models.clock import PARIS, local_date
from models.identity.user import User
from models.operations.email import Email
from models.support.automation import AutomationEvent
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActions
from models.support.ticket_status import TicketStatus
from seed import catalogue, policies
from seed.content import offers
from seed.people import Person, people
from support.assignment import claim
from support.automations import Definition, create_automation
from support.macros import create_macro

HISTORY_AGE = timedelta(days=365)
_BILLING_TIME = time(6, 30)
_HISTORY = Path(__file__).with_name("history.toml")


@dataclass(frozen=True)
class Replay:
    """The context of the history: when it ends, who takes part, and the services that they need."""

    now: datetime
    bus: Bus
    auth: AuthServices
    checkout_services: CheckoutServices
    users: dict[str, User]

    def at(self, days_ago: int, hour: time, minutes: int = 0) -> datetime:
        """Return a time on a past day, given as an hour in Europe/Paris."""
        day = local_date(self.now) - timedelta(days=days_ago)
        return datetime.combine(day, hour, PARIS) + timedelta(minutes=minutes)

    def action(self, actor: User | None, at: datetime) -> Action:
        return Action(actor, at, self.bus)


async def load(
    now: datetime,
    bus: Bus,
    auth: AuthServices,
    checkout_services: CheckoutServices,
    texts: Path = policies.FOLDER,
) -> bool:
    """Fill an empty database with the catalogue, people and their history. If it already has users,
    only update the policies.

    Returns whether the database was filled.
    """
    if await User.exists():
        await policies.install(now, policies.read_policies(texts))
        return False
    await catalogue.install_offers(now - HISTORY_AGE, offers())
    await catalogue.load(now, texts, demonstration=True)
    users = await _create_users(people(), now - HISTORY_AGE, auth)
    await _replay(Replay(now, bus, auth, checkout_services, users))
    # These emails are old, and so are the invoices that nobody was sent.
    await DocumentRequest.all().delete()
    await Email.filter(sent_at=None).update(sent_at=F("created_at"), next_attempt_at=None)
    await Ticket.all().update(reply_email_pending_since=None)
    return True


async def _create_users(people: list[Person], at: datetime, auth: AuthServices) -> dict[str, User]:
    hashes = await asyncio.gather(*(auth.passwords.hash(person.password) for person in people))
    async with in_transaction():
        return {
            person.email: await _create_user(person, password_hash, at, auth)
            for person, password_hash in zip(people, hashes, strict=True)
        }


async def _create_user(
    person: Person, password_hash: str, at: datetime, auth: AuthServices
) -> User:
    user = await User.create(
        email=person.email,
        name=person.name,
        staff=person.staff,
        password_hash=password_hash,
        created_at=at,
        email_verified_at=at,
        second_factor_at=at if person.totp_secret else None,
    )
    if person.totp_secret:
        await totp.store_app(user, auth.secret_box.encrypt(person.totp_secret), at)
    if person.company:
        account = await Account.create(**vars(person.company), created_at=at)
        await Membership.create(user=user, account=account, role=Role.OWNER, created_at=at)
    return user


async def _replay(replay: Replay) -> None:
    for step in _steps(replay):
        await step()


def _steps(replay: Replay) -> list[Callable[[], Awaitable[None]]]:
    """Return the steps of the history, oldest first."""
    history = tomllib.loads(_HISTORY.read_text("utf-8"))
    dated_steps: list[tuple[datetime, Callable[[], Awaitable[None]]]] = [
        (replay.at(entry["days_ago"], entry["at"]), partial(function, replay, entry))
        for name, function in _FUNCTIONS.items()
        for entry in history[name]
    ]
    first_day = max(entry["days_ago"] for entry in history["purchases"])
    for days_ago in range(first_day, 0, -1):
        at = replay.at(days_ago, _BILLING_TIME)
        dated_steps.append((at, partial(_bill, replay, at)))
    return [step for _, step in sorted(dated_steps, key=lambda pair: pair[0])]


async def _bill(replay: Replay, at: datetime) -> None:
    action = replay.action(None, at)
    await bill_due_periods(action, replay.checkout_services)
    await dun_late_invoices(action, replay.checkout_services)


async def _buy(replay: Replay, entry: dict[str, Any]) -> None:
    buyer, services = replay.users[entry["customer"]], replay.checkout_services
    at = partial(replay.at, entry["days_ago"], entry["at"])
    price = await Price.get(offer__slug=entry["offer"], interval=Interval(entry["interval"]))
    key, method = _key(entry), entry.get("method", "pm_sandbox_success")
    purchase = await checkout.draft(
        replay.action(buyer, at()), await _company_of(buyer), buyer, price, key
    )
    purchase = await purchase.confirm_billing(replay.action(buyer, at(2)))
    if entry.get("declined_first"):
        declined = ("pm_sandbox_declined", f"{key}-declined")
        await checkout.pay(replay.action(buyer, at(3)), services, purchase, *declined)
    if method == "TRANSFER":
        await pay_by_transfer(replay.action(buyer, at(5)), services, purchase, key)
    else:
        await checkout.pay(replay.action(buyer, at(5)), services, purchase, method, key)


async def _change(replay: Replay, entry: dict[str, Any]) -> None:
    """Change a monthly purchase, agreeing to the total of the preview."""
    buyer, services = replay.users[entry["customer"]], replay.checkout_services
    action = replay.action(buyer, replay.at(entry["days_ago"], entry["at"]))
    company = await _company_of(buyer)
    purchase = await Purchase.get(
        account=company, price__offer__slug=entry["offer"], price__interval=Interval.MONTH
    )
    prices = Price.filter(offer__slug=entry["offer"], interval=entry.get("interval"))
    price = await prices.select_related("offer").first() if "interval" in entry else None
    request = ChangeRequest(price, entry.get("quantity"))
    plan = await plan_change(None, services.seller, purchase, company, request, action.day)
    agreement = Agreement(plan.gross_cents)
    await order_change(action, services, purchase, request, agreement, _key(entry))


def _key(entry: dict[str, Any]) -> str:
    """The idempotency key of an entry."""
    return f"demonstration-{entry['days_ago']}"


async def _import_statement(replay: Replay, entry: dict[str, Any]) -> None:
    at = replay.at(entry["days_ago"], entry["at"])
    rows = ["Date;Libellé;Montant"]
    for line in entry["lines"]:
        amount, text = line.get("amount"), line["text"]
        if amount is None:
            company = await _company_of(replay.users[line["customer"]])
            receivable = await Receivable.get(
                account_id=company.pk, open_cents__gt=0
            ).select_related("invoice")
            amount = str(to_decimal(receivable.open_cents)).replace(".", ",")
            text = f"{text} {receivable.invoice.reference}"
        rows.append(f"{local_date(at):%d/%m/%Y};{text};{amount}")
    action = replay.action(None, at)
    await import_statement(
        action,
        replay.checkout_services.seller.bank,
        name=f"releve-{local_date(at)}.csv",
        content="\n".join(rows).encode(),
    )
    await match_new_lines(action)


async def _credit(replay: Replay, entry: dict[str, Any]) -> None:
    staff = replay.users[entry["staff"]]
    action = replay.action(staff, replay.at(entry["days_ago"], entry["at"]))
    invoice = await _last_invoice(replay.users[entry["customer"]])
    request = CreditRequest(
        invoice.pk, entry["reason"], RefundDestination.PAYMENT, gross_cents=entry["gross_cents"]
    )
    await credit_invoice(action, replay.checkout_services, staff, request, _key(entry))


async def _correct(replay: Replay, entry: dict[str, Any]) -> None:
    staff = replay.users[entry["staff"]]
    action = replay.action(staff, replay.at(entry["days_ago"], entry["at"]))
    invoice = await _last_invoice(replay.users[entry["customer"]])
    request = CorrectionRequest(invoice.pk, entry["reason"], order_number=entry["order_number"])
    await correct_invoice(action, replay.checkout_services, staff, request, _key(entry))


async def _dispute(replay: Replay, entry: dict[str, Any]) -> None:
    customer = replay.users[entry["customer"]]
    action = replay.action(customer, replay.at(entry["days_ago"], entry["at"]))
    invoice = await _last_invoice(customer)
    request = DisputeRequest(invoice.pk, DisputeReason(entry["reason"]), entry["body"])
    company = await _company_of(customer)
    await open_dispute(action, replay.auth, company, customer, request, _key(entry))


class _Platform:
    """An invoicing platform that accepts everything."""

    name = "demonstration"

    async def submit(self, flow: NewFlow) -> str:
        return flow.tracking_id

    async def search(
        self,
        types: Sequence[FlowType],
        *,
        updated_after: datetime | None = None,
        tracking_id: str | None = None,
    ) -> list[Flow]:
        return []

    async def content(self, flow_id: str) -> bytes:
        return b""


async def _deliver(replay: Replay, entry: dict[str, Any]) -> None:
    """Hand a company's last invoice over to the platform, and report its payment."""
    action = replay.action(None, replay.at(entry["days_ago"], entry["at"]))
    invoice = await _last_invoice(replay.users[entry["customer"]])
    signer = replay.checkout_services.signer
    await make_document(action, signer, invoice, DeliveryChannel.PLATFORM)
    await deliver_due(action, _Platform())
    await report_due(action, _Platform())


async def _report_status(replay: Replay, entry: dict[str, Any]) -> None:
    """Report a status of a company's invoice that was handed over to the platform."""
    at = replay.at(entry["days_ago"], entry["at"])
    company = await _company_of(replay.users[entry["customer"]])
    delivery = await InvoiceDelivery.get(account_id=company.pk).select_related("invoice")
    code = PlatformStatusCode(entry["status"])
    reason = entry.get("reason_code"), entry.get("reason")
    status = LifeCycle(delivery.invoice.number, code, at, *reason)
    action = replay.action(None, at)
    await apply_status(action, status, f"{_key(entry)}-{code.number}")
    if code is PlatformStatusCode.REJECTED:
        await fail_delivery(action, delivery.pk, entry["reason_code"])


async def _last_invoice(customer: User) -> Invoice:
    company = await _company_of(customer)
    invoices = Invoice.filter(account_id=company.pk, type=DocumentType.INVOICE)
    [last] = await invoices.order_by("-id").limit(1)
    return last


async def _company_of(user: User) -> Account:
    return await Account.get(memberships__user_id=user.pk)


async def _open_ticket(replay: Replay, entry: dict[str, Any]) -> None:
    customer, staff = replay.users[entry["customer"]], replay.users.get(entry.get("staff", ""))
    at = partial(replay.at, entry["days_ago"], entry["at"])
    ticket = await _first_message(replay.action(customer, at()), customer, entry)
    for number, (minutes, speaker, text) in enumerate(entry["said"][1:], 1):
        author = customer if speaker == "customer" or staff is None else staff
        if staff and number == 1:
            await claim(replay.action(staff, at(minutes)), ticket, staff)
        await ticket.reply(
            replay.action(author, at(minutes)), author, text, f"demonstration-{number}"
        )
    if staff:
        await ticket.transition_to(
            replay.action(staff, at(entry["said"][-1][0] + 1)), TicketStatus(entry["status"])
        )


async def _first_message(action: Action, customer: User, entry: dict[str, Any]) -> Ticket:
    subject = entry["subject"]
    channel = Channel(entry["channel"])
    category = Category(entry["category"])
    company = await _company_of(customer)
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx, company, customer, subject=subject, channel=channel, category=category
        )
        await ticket.post(tx, customer, entry["said"][0][2], "demonstration-0")
    return ticket


async def _create_promotion(replay: Replay, entry: dict[str, Any]) -> None:
    at = replay.at(entry["days_ago"], entry["at"])
    terms = PromotionTerms(
        code=entry["code"],
        basis_points=entry["basis_points"],
        periods=entry["periods"],
        valid_from=at,
    )
    await create_promotion(replay.action(replay.users[entry["operator"]], at), terms, _key(entry))


async def _create_macro(replay: Replay, entry: dict[str, Any]) -> None:
    """Create a macro for all agents."""
    staff = replay.users[entry["staff"]]
    action = replay.action(staff, replay.at(entry["days_ago"], entry["at"]))
    actions = TicketActions.from_json(entry["actions"])
    await create_macro(action, staff, entry["name"], actions, entry["name"], is_personal=False)


async def _create_automation(replay: Replay, entry: dict[str, Any]) -> None:
    staff = replay.users[entry["staff"]]
    action = replay.action(staff, replay.at(entry["days_ago"], entry["at"]))
    definition = Definition(
        event=AutomationEvent(entry["event"]),
        actions=TicketActions.from_json(entry["actions"]),
        delay_minutes=entry.get("delay_minutes"),
        is_delay_business_time=entry.get("is_delay_business_time", False),
        conditions=entry["conditions"],
        exceptions=entry["exceptions"],
    )
    await create_automation(action, entry["name"], definition, entry["name"], is_enabled=True)


_FUNCTIONS = {
    "macros": _create_macro,
    "automations": _create_automation,
    "promotions": _create_promotion,
    "purchases": _buy,
    "changes": _change,
    "statements": _import_statement,
    "credits": _credit,
    "corrections": _correct,
    "disputes": _dispute,
    "deliveries": _deliver,
    "platform_statuses": _report_status,
    "tickets": _open_ticket,
}
