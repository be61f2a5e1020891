"""One company over two years: it buys, pays by every means, fails to pay, is refunded, disputes and
cancels, while time passes, jobs run concurrently and processes are killed. After each step
everything that billing keeps has to agree (tests/billing/machine/invariants.py).
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from auth.services import AuthServices
from billing import (
    charging,
    checkout,
    payment_cancellation,
    payment_methods,
    provider_events,
    trials,
)
from billing.bank.importing import import_statement
from billing.bank.matching import match_by_hand, match_new_lines, undo
from billing.bank.transfer import discard, pay_by_transfer
from billing.changes import cancellation
from billing.changes.ordering import Agreement, cancel_scheduled_change, order_change
from billing.changes.pauses import pause
from billing.changes.plan import ChangeRequest, plan_change
from billing.changes.resume_reminders import send_resume_reminders
from billing.checkout_services import CheckoutServices
from billing.corrections import CorrectedLine, CorrectionRequest, correct_invoice
from billing.credit_notes import CreditLine, CreditRequest, credit_invoice
from billing.disputes import (
    AccessReason,
    DisputeRequest,
    accept_dispute,
    grant_access,
    open_dispute,
    reject_dispute,
)
from billing.dunning import dun_late_invoices
from billing.gateways.gateway import Consent, SetupStatus, Subject
from billing.invoice_payments import pay_invoice
from billing.ledger import CUSTOMERS
from billing.payment_methods import NewMethod
from billing.refunds import refund_pending, settle_transfer
from billing.renewals import bill_due_periods
from billing.seller import seller
from engine import Engine, Params
from models.accounts.account import Account, Role
from models.action import Action, retry_conflict
from models.billing.bank import BankLine, BankLineStatus
from models.billing.dispute import Dispute, DisputeReason, DisputeStatus
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentType, Invoice, InvoiceLine
from models.billing.ledger import LedgerEntry
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind, PaymentMethod, PaymentMethodStatus
from models.billing.promotion import Promotion
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.billing.refund import Refund, RefundDestination, RefundStatus
from models.billing.sandbox import SandboxCharge, SandboxDispute, SandboxRefund, SandboxSetup
from models.database.connection import connect, disconnect
from models.database.sql import execute
from models.errors import Refusal, TransactionConflict
from models.identity.user import Staff
from realtime.hub import Hub
from realtime.presence import Presence
from resolvers.context import Context, Services
from settings import PACKAGED_SELLER
from tests.billing.bank.statement_fixtures import Transfer, camt
from tests.billing.machine import invariants
from tests.billing.machine.interruptions import Interruptions, Killed, LossySandbox
from tests.conftest import MovableClock, RecordingBus, database_copy
from tests.people import (
    add_member,
    create_account,
    create_staff,
    create_user,
    create_viewer,
    record_step_up,
)
from tests.quick_auth import quick_auth
from tests.schema.conftest import decode_answer, new_engine

EXAMPLES = max(1, int(os.environ.get("CAMCHA_CASES", "1500")) // 500)
STEPS = 40
START = datetime(2026, 11, 23, 9, tzinfo=UTC)
_MONEY = """{ viewer { account { balance { amountCents } moneyMovements(first: 100) { totalCount
    nodes { amount { amountCents } balance { amountCents } } } } } }"""
Result = TypeVar("Result")
Row = TypeVar("Row")

picks = st.integers(0, 7)
means = st.sampled_from(
    [
        "pm_sandbox_success",
        "pm_sandbox_declined",
        "pm_sandbox_stolen",
        "pm_sandbox_confirmation",
        "pm_sandbox_processing",
        "pm_sandbox_processing_declined",
        "pm_sandbox_debit",
        "pm_sandbox_debit_declined",
        "pm_sandbox_unrefundable",
        "pm_sandbox_refund_returned",
        "pm_sandbox_wallet",
    ]
)
saved_means = st.sampled_from(
    [
        ("pm_sandbox_success", PaymentKind.CARD),
        ("pm_sandbox_declined", PaymentKind.CARD),
        ("pm_sandbox_stolen", PaymentKind.CARD),
        ("pm_sandbox_reconfirmation", PaymentKind.CARD),
        ("pm_sandbox_processing_declined", PaymentKind.CARD),
        ("pm_sandbox_unrefundable", PaymentKind.CARD),
        ("pm_sandbox_debit", PaymentKind.DIRECT_DEBIT),
        ("pm_sandbox_debit_declined", PaymentKind.DIRECT_DEBIT),
    ]
)
refunds = st.sampled_from(list(RefundDestination))


_FACTS = {
    "purchases": "purchase WHERE id > 0",
    "invoices": "invoice WHERE type <> 381",
    "open": "receivable WHERE open_cents > 0",
    "drafts": "purchase WHERE status IN ('BILLING_CONFIRMED', 'PAYMENT_PENDING')",
    "renewing": "purchase WHERE ended_on IS NULL AND anchor IS NOT NULL",
    "active": "purchase WHERE status = 'ACTIVE'",
    "paused": "purchase WHERE status = 'PAUSED'",
    "late": "purchase WHERE status IN ('PAST_DUE', 'SUSPENDED')",
    "canceling": "purchase WHERE cancel_at_period_end AND ended_on IS NULL",
    "changes": "purchase_change WHERE applied_at IS NULL AND canceled_at IS NULL",
    "waiting": "payment WHERE status = 'REQUIRES_ACTION'",
    "undecided": "sandbox_charge WHERE status = 'REQUIRES_ACTION'",
    "charges": "sandbox_charge WHERE status = 'SUCCEEDED'",
    "methods": "payment_method WHERE status = 'ACTIVE'",
    "disputes": "dispute WHERE status = 'OPEN'",
    "transfer_refunds": "refund JOIN payment ON payment.id = refund.payment_id "
    "WHERE refund.status = 'PENDING' AND payment.kind = 'TRANSFER'",
    "matched": "bank_line WHERE status = 'MATCHED'",
    "unmatched": "bank_line WHERE status = 'UNMATCHED'",
}
_COUNT_FACTS = ", ".join(
    f"(SELECT COUNT(*) FROM {condition}) AS {name}_count"  # noqa: S608 - of this file
    for name, condition in _FACTS.items()
)
MAX_PURCHASES = 5


def needs(fact: str) -> Callable[[Any], Any]:
    """A precondition of rules that would do nothing without such a row."""
    return precondition(lambda machine: machine.facts[f"{fact}_count"] > 0)


is_buying = precondition(lambda machine: machine.facts["purchases_count"] < MAX_PURCHASES)


def pick(rows: Sequence[Row], number: int) -> Row | None:
    """One of the rows, the most recent for 0."""
    return rows[-1 - number % len(rows)] if rows else None


class BillingMachine(RuleBasedStateMachine):
    """The company, its staff and the provider."""

    open_database: Callable[[ExitStack], str]
    interruptions: Interruptions
    engine: Engine
    facts: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        url = self.open_database(self.stack)
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.clock, self.bus, self.number = MovableClock(START), RecordingBus(), 0
        self.auth: AuthServices = quick_auth(self.clock)
        self.stack.callback(self.auth.passwords.close)
        self.gateway = LossySandbox("https://bank.example", self.clock)
        self.services = CheckoutServices(self.gateway, seller(PACKAGED_SELLER), self.auth.signer)
        self.run(connect(url))
        self.stack.callback(lambda: self.run(disconnect()))

    def run(self, work: Awaitable[Result]) -> Result:
        async def wait() -> Result:
            return await work

        return self.runner.run(wait())

    @property
    def action(self) -> Action:
        return Action(None, self.clock.now(), self.bus)

    def key(self) -> str:
        """An idempotency key."""
        self.number += 1
        return f"key-{self.number}"

    def attempt(self, work: Callable[[], Awaitable[Result]]) -> Result | None:
        """Do something that may be refused for a reason that a person can understand."""
        self.clock.advance(timedelta(minutes=1))
        try:
            return self.run(retry_conflict(work))
        except Refusal as refusal:
            codes = {each.code for each in refusal.refusals}
            assert BillingErrorCode.INVOICE_NOT_POSSIBLE not in codes
        except (Killed, TransactionConflict):
            pass
        return None

    @initialize(anchor=st.integers(0, 70), method=means, saved=saved_means)
    def sign_up(self, anchor: int, method: str, saved: tuple[str, PaymentKind]) -> None:
        """A company that has a card or a mandate, and has bought something."""
        self.clock.advance(timedelta(days=anchor))
        self.run(self._sign_up())
        self.save_a_method(saved, is_default=True)
        self.buy(0, 3, method)

    async def _sign_up(self) -> None:
        action = self.action
        self.account = await create_account(
            action, street="1 rue X", postal_code="75001", city="Paris", country="FR"
        )
        self.buyer = await create_user(action)
        await add_member(action, self.account, self.buyer, Role.OWNER)
        self.agent = await create_staff(action, "Olga", Staff.OPERATOR)
        texts: Any = {
            locale: {"name": "Essentiel", "description": "-", "features": [], "advantages": []}
            for locale in ("fr", "en")
        }
        offer = await Offer.create(slug="essentiel", segment=Segment.TPE, texts=texts)
        self.prices = [
            await Price.create(
                offer=offer, interval=interval, net_cents=cents, vat_rate=2000, valid_from=action.at
            )
            for interval, cents in ((Interval.MONTH, 2_903), (Interval.YEAR, 29_007))
        ]
        tried = await Offer.create(slug="suivi", segment=Segment.TPE, texts=texts)
        self.tried_price = await Price.create(
            offer=tried,
            interval=Interval.MONTH,
            net_cents=1_907,
            vat_rate=2000,
            trial_days=14,
            trial_requires_payment_method=False,
            valid_from=action.at,
        )
        larger = await Offer.create(slug="complet", segment=Segment.TPE, texts=texts)
        self.prices.append(
            await Price.create(
                offer=larger,
                interval=Interval.MONTH,
                net_cents=7_919,
                vat_rate=2000,
                valid_from=action.at,
            )
        )

        shared: dict[str, Any] = {
            "valid_from": action.at,
            "created_at": action.at,
            "once_per_company": False,
        }
        self.promotions = [
            await Promotion.create(code="TIERS", basis_points=3_333, periods=2, **shared),
            await Promotion.create(code="TRENTE", amount_cents=2_999, **shared),
        ]

    # The customer.

    async def _confirmed(
        self, price: Price, quantity: int, promotion: Promotion | None = None
    ) -> Purchase:
        purchase = await checkout.draft(
            self.action, self.account, self.buyer, price, self.key(), quantity, promotion
        )
        return await purchase.confirm_billing(self.action, None, None)

    @is_buying
    @rule(number=st.sampled_from([0, 0, 0, 1]), quantity=st.integers(1, 7), method=means)
    def buy(self, number: int, quantity: int, method: str) -> None:
        key = self.key()
        purchase = self.attempt(lambda: self._confirmed(self.prices[number], quantity))
        if purchase:
            self.attempt(lambda: checkout.pay(self.action, self.services, purchase, method, key))

    @is_buying
    @rule(number=st.sampled_from([0, 1, 2]), promotion=st.sampled_from([0, 1]), method=means)
    def buy_with_a_code(self, number: int, promotion: int, method: str) -> None:
        code, key = self.promotions[promotion], self.key()
        purchase = self.attempt(lambda: self._confirmed(self.prices[number], 2, code))
        if purchase:
            self.attempt(lambda: checkout.pay(self.action, self.services, purchase, method, key))

    @is_buying
    @needs("methods")
    @rule(number=picks)
    def buy_with_the_saved_method(self, number: int) -> None:
        method = pick(self.run(self._saved_methods()), number)
        purchase = self.attempt(lambda: self._confirmed(self.prices[0], 1))
        key = self.key()
        if purchase and method:
            self.attempt(lambda: checkout.pay(self.action, self.services, purchase, method, key))

    @is_buying
    @rule(number=picks, has_method=st.booleans())
    def start_a_trial(self, number: int, has_method: bool) -> None:
        methods = self.run(self._saved_methods())
        method, key = pick(methods, number) if has_method else None, self.key()
        purchase = self.attempt(lambda: self._confirmed(self.tried_price, 2))
        if purchase:
            self.attempt(lambda: trials.start(self.action, self.services, purchase, method, key))

    @needs("drafts")
    @rule(number=picks, method=means)
    def pay_a_draft(self, number: int, method: str) -> None:
        drafts = Purchase.filter(
            status__in=[PurchaseStatus.BILLING_CONFIRMED, PurchaseStatus.PAYMENT_PENDING]
        )
        purchase, key = pick(self.run(drafts.order_by("id")), number), self.key()
        if purchase:
            self.attempt(lambda: checkout.pay(self.action, self.services, purchase, method, key))

    @is_buying
    @rule(number=picks, is_new=st.booleans())
    def choose_transfer(self, number: int, is_new: bool) -> None:
        drafts = Purchase.filter(status=PurchaseStatus.BILLING_CONFIRMED).order_by("id")
        purchase, key = pick(self.run(drafts), number), self.key()
        if is_new or purchase is None:
            purchase = self.attempt(lambda: self._confirmed(self.prices[0], 2))
        if purchase:
            self.attempt(lambda: pay_by_transfer(self.action, self.services, purchase, key))

    @needs("drafts")
    @rule(number=picks)
    def discard_what_is_not_paid(self, number: int) -> None:
        drafts = Purchase.filter(
            status__in=[PurchaseStatus.BILLING_CONFIRMED, PurchaseStatus.PAYMENT_PENDING]
        )
        purchase = pick(self.run(drafts.order_by("id")), number)
        if purchase:
            self.attempt(lambda: discard(self.action, self.services, purchase))

    @needs("open")
    @rule(number=picks, method=means)
    def pay_an_invoice(self, number: int, method: str) -> None:
        invoice, key = pick(self.run(self._open_invoices()), number), self.key()
        if invoice:
            self.attempt(lambda: pay_invoice(self.action, self.services, invoice, method, key))

    @needs("waiting")
    @rule(number=picks)
    def leave_a_confirmation(self, number: int) -> None:
        payment = pick(self.run(self._waiting_payments()), number)
        if payment:
            self.attempt(lambda: payment_cancellation.cancel_payment(self.action, payment))

    @needs("undecided")
    @rule(number=picks, is_approved=st.booleans())
    def decide_at_the_bank(self, number: int, is_approved: bool) -> None:
        """Decide about any open charge, even of an abandoned or expired payment."""
        charges = SandboxCharge.filter(status=PaymentStatus.REQUIRES_ACTION).order_by("id")
        charge = pick(self.run(charges), number)
        if charge is None:
            return
        self.run(self.gateway.decide(charge.reference, is_approved))
        payment = self.run(Payment.get(pk=int(charge.key.rpartition("-")[2])))
        self.attempt(lambda: charging.refresh(self.action, self.services, payment))

    @rule(means=saved_means, is_default=st.booleans())
    def save_a_method(self, means: tuple[str, PaymentKind], is_default: bool) -> None:
        token, kind = means
        consent = Consent("127.0.0.1", "tests") if kind is PaymentKind.DIRECT_DEBIT else None
        new, key = NewMethod(kind, token, consent=consent), self.key()

        async def save() -> None:
            viewer = await create_viewer(self.action, self.buyer, self.account)
            assert viewer.session
            await record_step_up(self.action, viewer.session)
            session = await type(viewer.session).get(pk=viewer.session.pk)
            method, _ = await payment_methods.add(
                self.action, self.gateway, session, self.account, self.buyer, new, key
            )
            setups = SandboxSetup.filter(status=SetupStatus.REQUIRES_ACTION.value)
            for setup in await setups:
                await self.gateway.decide_setup(setup.reference, is_approved=True)
            await payment_methods.refresh_pending(self.action, self.gateway)
            if is_default:
                await payment_methods.set_default(self.action, session, method)

        self.attempt(save)

    @needs("methods")
    @rule(number=picks)
    def remove_a_method(self, number: int) -> None:
        method = pick(self.run(self._saved_methods()), number)

        async def remove() -> None:
            assert method
            viewer = await create_viewer(self.action, self.buyer, self.account)
            assert viewer.session
            await record_step_up(self.action, viewer.session)
            session = await type(viewer.session).get(pk=viewer.session.pk)
            await payment_methods.remove(self.action, self.gateway, session, method)

        if method:
            self.attempt(remove)

    @needs("renewing")
    @rule(number=picks, reason=st.sampled_from([None, "Trop cher"]))
    def cancel(self, number: int, reason: str | None) -> None:
        purchase = pick(self.run(Purchase.all().order_by("id")), number)
        if purchase:
            self.attempt(lambda: cancellation.cancel(self.action, purchase, reason))

    @needs("canceling")
    @rule(number=picks)
    def undo_the_cancellation(self, number: int) -> None:
        canceled = Purchase.filter(cancel_at_period_end=True).order_by("id")
        purchase = pick(self.run(canceled), number)
        if purchase:
            self.attempt(lambda: cancellation.undo(self.action, purchase))

    @needs("active")
    @rule(
        number=picks,
        price=st.sampled_from([None, 0, 1, 2, 2]),
        quantity=st.sampled_from([None, 1, 2, 5]),
    )
    def change(self, number: int, price: int | None, quantity: int | None) -> None:
        """Order an upgrade at once, or any other change from the next period on."""
        request = ChangeRequest(None if price is None else self.prices[price], quantity)
        self._order(number, PurchaseStatus.ACTIVE, request)

    @needs("active")
    @rule(number=picks, days=st.integers(1, 27))
    def change_the_billing_day(self, number: int, days: int) -> None:
        purchase = pick(self.run(self._purchases(PurchaseStatus.ACTIVE)), number)
        if purchase and purchase.bills_on:
            request = ChangeRequest(anchor=purchase.bills_on + timedelta(days=days))
            self._order(number, PurchaseStatus.ACTIVE, request)

    @needs("paused")
    @rule(number=picks)
    def resume(self, number: int) -> None:
        self._order(number, PurchaseStatus.PAUSED, ChangeRequest(resume=True))

    def _order(self, number: int, status: PurchaseStatus, request: ChangeRequest) -> None:
        """Preview a change and order it. The charge is what the preview said."""
        purchase, key = pick(self.run(self._purchases(status)), number), self.key()
        if purchase is None:
            return

        async def order() -> None:
            assert purchase
            account = await Account.get(pk=self.account.pk)
            plan = await plan_change(
                None, self.services.seller, purchase, account, request, self.action.day
            )
            agreement = Agreement(plan.gross_cents)
            ordered = await order_change(
                self.action, self.services, purchase, request, agreement, key
            )
            if ordered.change.invoice_id:
                invoice = await Invoice.get(pk=ordered.change.invoice_id)
                assert invoice.gross_cents == plan.gross_cents

        self.attempt(order)

    @needs("active")
    @rule(number=picks, days=st.sampled_from([None, 20, 75]))
    def pause(self, number: int, days: int | None) -> None:
        active = self.run(self._purchases(PurchaseStatus.ACTIVE, PurchaseStatus.PAUSED))
        purchase = pick(active, number)
        if purchase:
            start = purchase.bills_on or self.action.day
            resumes_on = start + timedelta(days=days) if days else None
            self.attempt(lambda: pause(self.action, purchase, resumes_on))

    @needs("changes")
    @rule(number=picks)
    def cancel_the_change(self, number: int) -> None:
        purchase = pick(self.run(self._purchases(PurchaseStatus.ACTIVE)), number)
        if purchase:
            self.attempt(lambda: cancel_scheduled_change(self.action, purchase))

    @needs("invoices")
    @rule(number=picks)
    def dispute(self, number: int) -> None:
        invoice, key = pick(self.run(self._invoices()), number), self.key()
        if invoice:
            request = DisputeRequest(invoice.pk, DisputeReason.PRICE, "Le prix est faux.")
            self.attempt(
                lambda: open_dispute(self.action, self.auth, self.account, self.buyer, request, key)
            )

    # The staff.

    @needs("invoices")
    @rule(number=picks, share=st.integers(1, 10), refund=refunds, is_by_line=st.booleans())
    def credit(self, number: int, share: int, refund: RefundDestination, is_by_line: bool) -> None:
        invoice, key = pick(self.run(self._invoices()), number), self.key()
        if invoice:
            request = self.run(self._credit_request(invoice, share, refund, is_by_line))
            self.attempt(
                lambda: credit_invoice(self.action, self.services, self.agent, request, key)
            )

    @needs("invoices")
    @rule(number=picks, quantity=st.integers(1, 9), refund=refunds)
    def correct(self, number: int, quantity: int, refund: RefundDestination) -> None:
        invoice, key = pick(self.run(self._invoices()), number), self.key()
        if invoice:
            [line, *_] = self.run(InvoiceLine.filter(invoice_id=invoice.pk).order_by("id"))
            lines = (CorrectedLine(line.pk, quantity=quantity),)
            request = CorrectionRequest(invoice.pk, "Quantité", lines, refund=refund)
            self.attempt(
                lambda: correct_invoice(self.action, self.services, self.agent, request, key)
            )

    @needs("transfer_refunds")
    @rule(is_sent=st.booleans())
    def settle_a_refund_by_transfer(self, is_sent: bool) -> None:
        pending = Refund.filter(status=RefundStatus.PENDING, payment__kind=PaymentKind.TRANSFER)
        status = RefundStatus.SUCCEEDED if is_sent else RefundStatus.FAILED
        for refund in self.run(pending.order_by("id").limit(1)):
            self.attempt(partial(settle_transfer, self.action, refund, status))

    @needs("disputes")
    @rule(number=picks, refund=refunds, share=st.integers(1, 10))
    def accept_a_dispute(self, number: int, refund: RefundDestination, share: int) -> None:
        dispute, key = pick(self.run(self._open_disputes()), number), self.key()
        if dispute is None:
            return
        invoice = self.run(Invoice.get(pk=dispute.invoice_id))
        request = self.run(self._credit_request(invoice, share, refund, is_by_line=False))
        action = replace(self.action, actor=self.agent)
        self.attempt(
            lambda: accept_dispute(action, self.services, self.agent, dispute, request, key)
        )

    @needs("disputes")
    @rule(number=picks)
    def reject_a_dispute(self, number: int) -> None:
        dispute = pick(self.run(self._open_disputes()), number)
        if dispute:
            action = replace(self.action, actor=self.agent)
            self.attempt(lambda: reject_dispute(action, self.agent, dispute, "Le prix est juste."))

    @needs("late")
    @rule(number=picks)
    def give_access(self, number: int) -> None:
        late = Purchase.filter(status__in=[PurchaseStatus.PAST_DUE, PurchaseStatus.SUSPENDED])
        purchase = pick(self.run(late.order_by("id")), number)
        if purchase:
            self.attempt(lambda: grant_access(self.action, purchase, AccessReason.GOODWILL))

    # The banks.

    @needs("open")
    @rule(
        number=picks,
        percent=st.sampled_from([100, 100, 50, 120, 250]),
        has_reference=st.sampled_from([True, True, False]),
    )
    def transfer(self, number: int, percent: int, has_reference: bool) -> None:
        invoice = pick(self.run(self._open_invoices()), number)
        if invoice is None:
            return
        receivable = self.run(Receivable.get(invoice_id=invoice.pk))
        cents = max(1, receivable.open_cents * percent // 100)
        reference = (invoice.reference or "") if has_reference else ""
        self._import(Transfer(cents=cents, reference=reference, bank_reference=self.key()))

    def _import(self, transfer: Transfer) -> None:
        name, bank = self.key(), self.services.seller.bank
        file = camt(transfer, message_id=name)

        async def match() -> None:
            await import_statement(self.action, bank, name=name, content=file)
            await match_new_lines(self.action)

        self.attempt(match)

    @needs("unmatched")
    @rule(number=picks, has_invoice=st.booleans())
    def match_a_line(self, number: int, has_invoice: bool) -> None:
        lines = BankLine.filter(status=BankLineStatus.UNMATCHED).order_by("id")
        line = pick(self.run(lines), number)
        invoice = pick(self.run(self._open_invoices()), number) if has_invoice else None
        targets = [(invoice.pk, None)] if invoice else []
        if line:
            self.attempt(lambda: match_by_hand(self.action, line.pk, self.account.pk, targets))

    @needs("matched")
    @rule(number=picks)
    def undo_a_match(self, number: int) -> None:
        lines = BankLine.filter(status=BankLineStatus.MATCHED).order_by("id")
        line = pick(self.run(lines), number)
        if line:
            self.attempt(lambda: undo(self.action, line.pk))

    @needs("matched")
    @rule(number=picks)
    def return_a_transfer(self, number: int) -> None:
        lines = BankLine.filter(status=BankLineStatus.MATCHED).order_by("id")
        line = pick(self.run(lines), number)
        if line:
            self._import(
                Transfer(
                    cents=-line.amount_cents,
                    bank_reference=line.bank_reference,
                    end_to_end_id="NOTPROVIDED",
                    return_reason="AC04",
                )
            )

    @needs("charges")
    @rule(number=picks, is_won=st.booleans())
    def take_a_charge_back(self, number: int, is_won: bool) -> None:
        """A chargeback of a card, or a returned direct debit."""
        charges = self.run(self._undisputed_charges())
        charge = pick(charges, number)
        if charge is None:
            return
        reference = self.run(self.gateway.dispute(charge.reference))
        self.run(self.gateway.close_dispute(reference, is_won=is_won))
        for _ in range(2):  # the provider says so twice
            self.run(self._notify(Subject.DISPUTE, reference))

    async def _notify(self, subject: Subject, reference: str) -> None:
        headers, body = self.gateway.notification("changed", subject, reference)
        await provider_events.receive(self.action, self.gateway, headers, body)
        await provider_events.handle_due(self.action, self.services)

    # Time, jobs and failures.

    @rule(days=st.sampled_from([1, 1, 2, 3, 7, 14, 28, 31, 45, 92]))
    def time_passes(self, days: int) -> None:
        self.clock.advance(timedelta(days=days))
        self.run(self._run_jobs())

    @rule()
    def a_month_passes(self) -> None:
        self.time_passes(31)

    @rule(weeks=st.integers(1, 3))
    def weeks_pass(self, weeks: int) -> None:
        """Weeks pass in the steps of a dunning schedule."""
        for _ in range(weeks):
            self.time_passes(7)

    @rule(days=st.integers(1, 7))
    def days_pass_one_by_one(self, days: int) -> None:
        for _ in range(days):
            self.clock.advance(timedelta(days=1))
            self.run(self._run_jobs())

    @rule(days=st.sampled_from([0, 3, 31]))
    def two_processes_run_the_jobs(self, days: int) -> None:
        self.clock.advance(timedelta(days=days, minutes=1))

        async def run_twice() -> None:
            await asyncio.gather(self._run_jobs(), self._run_jobs())

        self.run(run_twice())

    @rule(days=st.sampled_from([1, 3, 14, 31]), statement=st.integers(1, 60))
    def the_jobs_are_killed(self, days: int, statement: int) -> None:
        self.clock.advance(timedelta(days=days))

        async def run_and_die() -> None:
            with self.interruptions.at_statement(statement):
                try:
                    await self._run_jobs()
                except Killed:
                    return

        self.run(run_and_die())

    @needs("open")
    @rule(statement=st.integers(1, 40), number=picks)
    def a_payment_is_killed(self, statement: int, number: int) -> None:
        invoice, key = pick(self.run(self._open_invoices()), number), self.key()
        if invoice is None:
            return
        with self.interruptions.at_statement(statement):
            self.attempt(
                lambda: pay_invoice(self.action, self.services, invoice, "pm_sandbox_success", key)
            )

    @needs("invoices")
    @rule(statement=st.integers(1, 40), number=picks, refund=refunds)
    def a_credit_is_killed(self, statement: int, number: int, refund: RefundDestination) -> None:
        invoice, key = pick(self.run(self._invoices()), number), self.key()
        if invoice is None:
            return
        request = CreditRequest(invoice.pk, "Geste commercial", refund)
        with self.interruptions.at_statement(statement):
            self.attempt(
                lambda: credit_invoice(self.action, self.services, self.agent, request, key)
            )

    @rule(is_answer=st.booleans())
    def the_next_answer_is_lost(self, is_answer: bool) -> None:
        self.gateway.loses_answer, self.gateway.loses_request = is_answer, not is_answer

    async def _run_jobs(self) -> None:
        """What worker.py runs, in its order."""
        action, services = self.action, self.services
        await charging.reconcile(action, services)
        await match_new_lines(action)
        await Purchase.expire_drafts(action)
        await refund_pending(action, self.gateway)
        await provider_events.handle_due(action, services)
        await payment_methods.refresh_pending(action, self.gateway)
        await payment_methods.send_expiry_notices(action)
        await trials.send_trial_reminders(action, services)
        await send_resume_reminders(action, services)
        await bill_due_periods(action, services)
        await dun_late_invoices(action, services)

    async def _credit_request(
        self, invoice: Invoice, share: int, refund: RefundDestination, is_by_line: bool
    ) -> CreditRequest:
        request = CreditRequest(invoice.pk, "Geste commercial", refund)
        if share == 10:  # all that is left
            return request
        if is_by_line:
            line = await InvoiceLine.filter(invoice_id=invoice.pk).first()
            assert line
            return replace(request, lines=(CreditLine(line.pk, quantity=1),))
        return replace(request, gross_cents=max(1, invoice.gross_cents * share // 10))

    async def _purchases(self, *statuses: PurchaseStatus) -> list[Purchase]:
        return await Purchase.filter(status__in=list(statuses)).order_by("id")

    async def _invoices(self) -> list[Invoice]:
        invoices = Invoice.filter(type__not=DocumentType.CREDIT_NOTE)
        return await invoices.order_by("id")

    async def _open_invoices(self) -> list[Invoice]:
        return await Invoice.filter(receivable__open_cents__gt=0).order_by("id")

    async def _waiting_payments(self) -> list[Payment]:
        waiting = Payment.filter(status=PaymentStatus.REQUIRES_ACTION, purchase_id__not_isnull=True)
        return await waiting.order_by("id")

    async def _open_disputes(self) -> list[Dispute]:
        return await Dispute.filter(status=DisputeStatus.OPEN).order_by("id")

    async def _saved_methods(self) -> list[PaymentMethod]:
        return await PaymentMethod.filter(status=PaymentMethodStatus.ACTIVE).order_by("id")

    async def _undisputed_charges(self) -> list[SandboxCharge]:
        """Charges whose money is still with us."""
        known = {each.charge_reference for each in await SandboxDispute.all()}
        known |= {each.charge_reference for each in await SandboxRefund.all()}
        charges = SandboxCharge.filter(status=PaymentStatus.SUCCEEDED).order_by("id")
        return [each for each in await charges if each.reference not in known]

    @invariant()
    def everything_agrees(self) -> None:
        self.run(self._check())

    async def _check(self) -> None:
        (self.facts,) = await execute(f"SELECT {_COUNT_FACTS}")
        await invariants.assert_books_are_right()
        await invariants.assert_credits_do_not_exceed_invoices()
        await invariants.assert_periods_tile_time(self.action.day)
        await invariants.assert_provider_agrees()
        await invariants.assert_customers_see_the_ledger(self.account.pk)
        await invariants.assert_nobody_is_late_without_debt(self.account.pk)
        await invariants.assert_no_email_was_sent_twice()

    async def _check_the_customers_view(self) -> None:
        """Check that what the customer reads over GraphQL matches the ledger."""
        viewer = await create_viewer(self.action, self.buyer, self.account)
        hub = Hub()
        services = Services(
            self.clock,
            hub,
            Presence(hub, self.clock),
            self.auth,
            self.gateway,
            self.services.seller,
            "https://camcha.example",
        )
        operation = self.engine.prepare(Params(query=_MONEY), cost_limit=10**9)
        answer = decode_answer(await self.engine.execute(operation, Context(viewer, services)))
        assert "errors" not in answer, answer
        account = answer["data"]["viewer"]["account"]
        owed = await invariants.ledger_balance(CUSTOMERS)
        assert account["balance"]["amountCents"] == owed
        nodes = account["moneyMovements"]["nodes"]
        count = await LedgerEntry.filter(account_id=self.account.pk).count()
        assert account["moneyMovements"]["totalCount"] == count
        assert not nodes or nodes[0]["balance"]["amountCents"] == owed
        for later, earlier in pairwise(nodes):
            difference = later["balance"]["amountCents"] - earlier["balance"]["amountCents"]
            assert difference == later["amount"]["amountCents"]

    def teardown(self) -> None:
        try:
            if hasattr(self, "account"):
                self.run(self._settle_everything())
        finally:
            self.stack.close()

    async def _settle_everything(self) -> None:
        """Let a week pass in which nobody does anything."""
        self.gateway.loses_answer = self.gateway.loses_request = False
        for _ in range(7):
            self.clock.advance(timedelta(days=1))
            await self._run_jobs()
        await self._check()
        await invariants.assert_all_money_is_accounted_for()
        years = range(START.year, self.action.day.year + 1)
        await invariants.assert_accounting_entries_can_be_read(years)
        await self._check_the_customers_view()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_p3_6_p3_7_billing_agrees_after_whatever_happens(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interruptions = Interruptions()
    interruptions.install(monkeypatch)

    def open_database(stack: ExitStack) -> str:
        for file in tmp_path.glob("camcha.sqlite3*"):
            file.unlink()
        return stack.enter_context(database_copy(request, kind, tmp_path))

    BillingMachine.open_database = staticmethod(open_database)
    BillingMachine.interruptions = interruptions
    BillingMachine.engine = new_engine()
    run_state_machine_as_test(
        BillingMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            phases=[Phase.reuse, Phase.generate],  # shrinking takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
