"""Payment methods that customers save for later charges.

A method is stored as PENDING first, then the provider is called under a key derived from the row,
then the result is applied: by the request, by a notification from the provider or by
`refresh_pending`, whichever comes first. Changes of an account's methods lock the account, so that
exactly one of its active methods is the default.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import Q

from accounts.contacts import billing_contacts
from auth.reauthentication import require_step_up
from billing.gateways.gateway import (
    Consent,
    Gateway,
    GatewayUnavailable,
    MethodDetails,
    RequestRejected,
    Setup,
    SetupStatus,
)
from billing.means import Means
from mail import emails
from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.errors import BillingErrorCode
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_customer import PaymentCustomer
from models.billing.payment_method import PaymentKind, PaymentMethod, PaymentMethodStatus
from models.billing.purchase import RENEWING_STATUSES, Purchase
from models.database.sql import execute
from models.errors import CommonErrorCode, Refusal
from models.event import EventKind, account_stream
from models.idempotency import earlier_result, store_result
from models.identity.session import Session
from models.identity.user import User

MAX_METHODS = 20  # that are pending or active
SETUP_LIFETIME = timedelta(hours=24)
NOTICE_DAYS = (30, 7)  # before a card expires
_SAVED = (PaymentMethodStatus.PENDING, PaymentMethodStatus.ACTIVE)
_BATCH_SIZE = 200

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class NewMethod:
    """What a customer wants to save. `token` is the provider's, when the customer's page has one
    already; `replaces` is the method whose place it takes.
    """

    kind: PaymentKind
    token: str | None = None
    return_url: str | None = None
    consent: Consent | None = None
    replaces: PaymentMethod | None = None


async def add(
    action: Action,
    gateway: Gateway,
    session: Session,
    account: Account,
    buyer: User,
    new: NewMethod,
    key: str,
) -> tuple[PaymentMethod, Setup]:
    """Begin to save a payment method. A repeat of the key returns the method in its current state,
    with what the customer has to do next.

    Raises STEP_UP_REQUIRED, TOO_MANY, NOT_ACTIVE, IDEMPOTENCY_MISMATCH, PAYMENT_METHOD_INVALID and
    PAYMENT_UNAVAILABLE.
    """
    await require_step_up(action, session)
    method = await _create(action, gateway, account, new, key)
    try:
        return await _begin_setup(action, gateway, account, buyer, method, new)
    except GatewayUnavailable:
        raise Refusal(BillingErrorCode.PAYMENT_UNAVAILABLE, "input") from None
    except RequestRejected:
        await _drop(action, method)
        raise Refusal(BillingErrorCode.PAYMENT_METHOD_INVALID, "input", "token") from None


async def _create(
    action: Action, gateway: Gateway, account: Account, new: NewMethod, key: str
) -> PaymentMethod:
    owner, replaced = f"account:{account.pk}", new.replaces
    operation = "paymentMethodReplace" if replaced else "paymentMethodAdd"
    arguments = [new.kind.value, new.token, new.return_url, replaced.pk if replaced else None]
    async with action.transaction() as tx:
        await tx.lock(Account, account.pk)
        if earlier_id := await earlier_result(tx, owner, operation, key, arguments):
            return await PaymentMethod.get(pk=earlier_id, using_db=tx.db)
        saved = PaymentMethod.filter(account_id=account.pk, status__in=_SAVED).using_db(tx.db)
        if await saved.count() >= MAX_METHODS:
            raise Refusal(CommonErrorCode.TOO_MANY, "input", limit=MAX_METHODS)
        if (
            replaced
            and not await saved.filter(pk=replaced.pk, status=PaymentMethodStatus.ACTIVE).exists()
        ):
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "paymentMethodId")
        method = await PaymentMethod.create(
            using_db=tx.db,
            account=account,
            provider=gateway.name,
            token="",
            kind=new.kind,
            created_at=action.at,
            replaces=replaced,
        )
        await store_result(tx, owner, operation, key, method.pk)
        audit_action = (
            BillingAuditAction.PAYMENT_METHOD_REPLACE
            if replaced
            else BillingAuditAction.PAYMENT_METHOD_ADD
        )
        tx.audit(audit_action, method)
    return method


async def _begin_setup(
    action: Action,
    gateway: Gateway,
    account: Account,
    buyer: User,
    method: PaymentMethod,
    new: NewMethod,
) -> tuple[PaymentMethod, Setup]:
    if method.status is not PaymentMethodStatus.PENDING:
        if method.setup_reference is None:  # the provider refused it
            raise RequestRejected
        setup = await gateway.find_setup(method.setup_reference)
        return method, setup or Setup(SetupStatus.CANCELED, "")
    customer = await customer_of(gateway, account, buyer)
    setup = await gateway.begin_setup(
        f"camcha-method-{method.pk}",
        customer,
        new.kind,
        method=new.token,
        return_url=new.return_url,
        consent=new.consent,
    )
    return await _apply_setup(action, gateway, method, setup), setup


async def customer_of(gateway: Gateway, account: Account, buyer: User | None = None) -> str:
    """The reference of the account's customer at the provider, which is created when it is missing.
    Raises GatewayUnavailable.
    """
    row = await PaymentCustomer.get_or_none(account_id=account.pk, provider=gateway.name)
    if row is None:
        name, email = account.legal_name, buyer.email if buyer else ""
        # A provider refuses a key with other arguments, and these change.
        digest = hashlib.sha256(f"{name}\n{email}".encode()).hexdigest()[:16]
        key = f"camcha-account-{account.pk}-{digest}"
        reference = await gateway.create_customer(key, name, email)
        await execute(
            "INSERT INTO payment_customer (account_id, provider, reference) VALUES (?, ?, ?) "
            "ON CONFLICT (account_id, provider) DO NOTHING",
            account.pk,
            gateway.name,
            reference,
        )
        row = await PaymentCustomer.get(account_id=account.pk, provider=gateway.name)
    return row.reference


async def refresh(
    action: Action, gateway: Gateway, method: PaymentMethod
) -> tuple[PaymentMethod, Setup | None]:
    """Query the provider for the state of a method that is being saved, and apply it. What the
    customer finishes after the method was removed is removed at the provider. Raises
    PAYMENT_UNAVAILABLE.
    """
    if method.status is PaymentMethodStatus.REMOVED:
        return await _detach(action, gateway, method), None
    if method.status is not PaymentMethodStatus.PENDING or not method.setup_reference:
        return method, None
    try:
        setup = await gateway.find_setup(method.setup_reference)
    except GatewayUnavailable:
        raise Refusal(BillingErrorCode.PAYMENT_UNAVAILABLE, "input") from None
    return (await _apply_setup(action, gateway, method, setup) if setup else method), setup


@dataclass
class _Locked:
    """An account's methods, locked together with the purchases whose method may change."""

    method: PaymentMethod
    others: list[PaymentMethod]
    purchases: list[Purchase]

    @property
    def default(self) -> PaymentMethod | None:
        return next((each for each in (self.method, *self.others) if each.is_default), None)

    @property
    def replaced(self) -> PaymentMethod | None:
        """The method whose place this one takes, if it is still there."""
        for other in self.others:
            is_active = other.status is PaymentMethodStatus.ACTIVE
            if other.pk == self.method.replaces_id and is_active:
                return other
        return None


async def _lock(tx: Transaction, method: PaymentMethod, purchases_of: int | None = None) -> _Locked:
    """Lock the account, the purchases that refer to one of its methods, and its methods."""
    await tx.lock(Account, method.account_id)
    purchases = (
        await tx.lock_rows(Purchase.filter(payment_method_id=purchases_of)) if purchases_of else []
    )
    methods = await tx.lock_rows(
        PaymentMethod.filter(Q(account_id=method.account_id, status__in=_SAVED) | Q(pk=method.pk))
    )
    current = next(each for each in methods if each.pk == method.pk)
    return _Locked(current, [each for each in methods if each.pk != method.pk], purchases)


async def _apply_setup(
    action: Action, gateway: Gateway, method: PaymentMethod, setup: Setup
) -> PaymentMethod:
    """Apply the provider's result to the method. Concurrent and late results change nothing
    twice.
    """
    async with action.transaction() as tx:
        locked = await _lock(tx, method, method.replaces_id)
        method = locked.method
        if method.status is PaymentMethodStatus.PENDING:
            method.setup_reference = setup.reference
            if setup.status is SetupStatus.SUCCEEDED and setup.method:
                await _activate(tx, locked, setup.method)
            elif setup.status in (SetupStatus.DECLINED, SetupStatus.CANCELED):
                method.decline_code = setup.decline_code
                await _remove(tx, method)
            else:
                await method.save(using_db=tx.db, update_fields=["setup_reference"])
        elif not method.setup_reference:  # it was removed before its setup was stored
            method.setup_reference = setup.reference
            await method.save(using_db=tx.db, update_fields=["setup_reference"])
    return await _detach_replaced(action, gateway, method)


async def _activate(tx: Transaction, locked: _Locked, details: MethodDetails) -> None:
    method, replaced = locked.method, locked.replaced
    method.status, method.token = PaymentMethodStatus.ACTIVE, details.token
    _copy_details(method, details)
    method.is_default = locked.default is None or locked.default is replaced
    if replaced:
        await _take_over(tx, locked.purchases, method)
        await _remove(tx, replaced)
    await method.save(using_db=tx.db)
    await _announce(tx, method)


def _copy_details(method: PaymentMethod, details: MethodDetails) -> None:
    is_debit = details.kind is PaymentKind.DIRECT_DEBIT
    method.kind, method.brand = details.kind, details.brand
    method.last_four = None if is_debit else details.last_four
    method.iban_last_four = details.last_four if is_debit else None
    method.mandate_reference = details.mandate_reference
    if method.expires_on != details.expires_on:
        method.expires_on, method.notice_days = details.expires_on, None


async def _take_over(tx: Transaction, purchases: list[Purchase], method: PaymentMethod) -> None:
    """Charge these purchases with a method from now on."""
    for purchase in purchases:
        purchase.payment_method_id = method.pk
        await purchase.save(using_db=tx.db, update_fields=["payment_method_id"])


async def _remove(tx: Transaction, method: PaymentMethod) -> None:
    method.status, method.is_default = PaymentMethodStatus.REMOVED, False
    method.removed_at = tx.action.at
    await method.save(using_db=tx.db)
    await _announce(tx, method)


async def _announce(tx: Transaction, method: PaymentMethod) -> None:
    await tx.append(
        account_stream(method.account_id),
        EventKind.PAYMENT_METHOD_CHANGED,
        status=method.status.value,
    )
    tx.audit(BillingAuditAction.PAYMENT_METHOD_CHANGE, method, status=method.status.value)


async def _drop(action: Action, method: PaymentMethod) -> PaymentMethod:
    """Remove a method that was not saved."""
    async with action.transaction() as tx:
        method = (await _lock(tx, method)).method
        if method.status is PaymentMethodStatus.PENDING:
            await _remove(tx, method)
    return method


async def set_default(action: Action, session: Session, method: PaymentMethod) -> PaymentMethod:
    """Make a method the one that is charged when a purchase has none of its own. Raises
    STEP_UP_REQUIRED and NOT_ACTIVE.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        locked = await _lock(tx, method)
        method = locked.method
        if method.status is not PaymentMethodStatus.ACTIVE:
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "paymentMethodId")
        if not method.is_default:
            await _make_default(tx, method, locked.default)
            tx.audit(BillingAuditAction.PAYMENT_METHOD_SET_DEFAULT, method)
    return method


async def _make_default(
    tx: Transaction, method: PaymentMethod, former: PaymentMethod | None
) -> None:
    if former:
        former.is_default = False
        await former.save(using_db=tx.db, update_fields=["is_default"])
    method.is_default = True
    await method.save(using_db=tx.db, update_fields=["is_default"])
    await _announce(tx, method)


async def remove(
    action: Action, gateway: Gateway, session: Session, method: PaymentMethod
) -> PaymentMethod:
    """Remove a method. The purchases that it pays are charged with the default from now on; the
    only method of an account can't be removed while a purchase renews with it. A removed method
    stays removed.

    Raises STEP_UP_REQUIRED and PAYMENT_METHOD_IN_USE.
    """
    await require_step_up(action, session)
    async with action.transaction() as tx:
        locked = await _lock(tx, method, method.pk)
        method = locked.method
        if method.status is not PaymentMethodStatus.REMOVED:
            await _hand_over(tx, gateway, locked)
            await _remove(tx, method)
            tx.audit(BillingAuditAction.PAYMENT_METHOD_REMOVE, method)
    return await _detach(action, gateway, method)


async def _hand_over(tx: Transaction, gateway: Gateway, locked: _Locked) -> None:
    """Give the purchases of a method that is being removed, and its place as the default, to
    another one.
    """
    actives = [each for each in locked.others if each.status is PaymentMethodStatus.ACTIVE]
    if actives:
        successor = max(actives, key=lambda each: (each.is_default, each.pk))
        await _take_over(tx, locked.purchases, successor)
        if locked.method.is_default:
            await _make_default(tx, successor, locked.method)
    elif await _is_charged(tx, gateway, locked.method):
        raise Refusal(BillingErrorCode.PAYMENT_METHOD_IN_USE, "input", "paymentMethodId")


async def _is_charged(tx: Transaction, gateway: Gateway, method: PaymentMethod) -> bool:
    """Whether a purchase renews with a method: as its own, or as the account's default."""
    renewing = Purchase.filter(
        account_id=method.account_id, status__in=RENEWING_STATUSES, cancel_at_period_end=False
    )
    for purchase in await renewing.using_db(tx.db):
        charged = await chargeable_method(tx.db, gateway, purchase)
        if charged and charged.saved and charged.saved.pk == method.pk:
            return True
    return False


async def chargeable_method(
    db: BaseDBAsyncClient | None, gateway: Gateway, purchase: Purchase
) -> Means | None:
    """How to charge a purchase without the customer: its payment method, else the account's
    default, else the unsaved means with which it was last paid. None for those who pay by transfer.
    What paid a change doesn't count, because it may have been chosen for that change only.
    """
    methods = PaymentMethod.filter(
        account_id=purchase.account_id, status=PaymentMethodStatus.ACTIVE, provider=gateway.name
    ).using_db(db)
    if saved := await methods.get_or_none(id=purchase.payment_method_id):
        return Means.of(saved)
    paid = Payment.filter(
        purchase_id=purchase.pk, status=PaymentStatus.SUCCEEDED, purchase_change_id=None
    )
    last = await paid.using_db(db).order_by("-id").first()
    if last and last.kind is PaymentKind.TRANSFER:
        return None
    if default := await methods.filter(is_default=True).first():
        return Means.of(default)
    if last and last.payment_method_id is None and last.provider == gateway.name:
        return Means(last.method, last.kind)
    return None


async def update_from_provider(action: Action, gateway: Gateway, token: str) -> bool:
    """Copy what the provider knows about a saved method: a bank may have renewed the card. Returns
    whether the method is one of ours.
    """
    row = await PaymentMethod.filter(
        provider=gateway.name, token=token, status=PaymentMethodStatus.ACTIVE
    ).first()
    if row is None:
        return False
    details = await gateway.find_method(token)
    async with action.transaction() as tx:
        method = (await _lock(tx, row)).method
        if details and method.status is PaymentMethodStatus.ACTIVE:
            mandate = method.mandate_reference
            _copy_details(method, details)
            method.mandate_reference = details.mandate_reference or mandate
            await method.save(using_db=tx.db)
            await _announce(tx, method)
    return True


async def refresh_pending(action: Action, gateway: Gateway) -> int:
    """Apply the results for methods that customers saved without returning to us, and drop those
    that they didn't finish within a day. Remove at the provider what was removed here: methods, and
    the customers of erased companies. Returns how many changed.
    """
    pending = PaymentMethod.filter(
        status=PaymentMethodStatus.PENDING,
        provider=gateway.name,
        created_at__lt=action.at - timedelta(minutes=1),
    )
    removed = PaymentMethod.filter(
        ~Q(token="") | Q(setup_reference__not_isnull=True),
        status=PaymentMethodStatus.REMOVED,
        provider=gateway.name,
        detached_at=None,
    )
    steps: list[tuple[Step, PaymentMethod]] = []
    steps += [(_refresh_or_drop, each) for each in await pending.order_by("id").limit(_BATCH_SIZE)]
    steps += [(_detach, each) for each in await removed.order_by("id").limit(_BATCH_SIZE)]
    changed_count = sum([await _changes(step, action, gateway, method) for step, method in steps])
    return changed_count + await _remove_erased_customers(gateway)


async def _remove_erased_customers(gateway: Gateway) -> int:
    customers = PaymentCustomer.filter(
        provider=gateway.name, account__status=AccountStatus.ERASED
    ).order_by("id")
    removed_count = 0
    for customer in await customers.limit(_BATCH_SIZE):
        try:
            await gateway.remove_customer(customer.reference)
        except GatewayUnavailable:
            break
        removed_count += await PaymentCustomer.filter(pk=customer.pk).delete()
    return removed_count


Step = Callable[[Action, Gateway, PaymentMethod], Awaitable[PaymentMethod]]


async def _changes(step: Step, action: Action, gateway: Gateway, method: PaymentMethod) -> bool:
    before = (method.status, method.detached_at)
    try:
        changed = await step(action, gateway, method)
    except Exception as error:  # one that fails never holds up the others
        log.warning("payment_method.failed", method=method.pk, error=type(error).__name__)
        return False
    return (changed.status, changed.detached_at) != before


async def _refresh_or_drop(
    action: Action, gateway: Gateway, method: PaymentMethod
) -> PaymentMethod:
    method, _ = await refresh(action, gateway, method)
    if (
        method.status is PaymentMethodStatus.PENDING
        and method.created_at <= action.at - SETUP_LIFETIME
    ):
        return await _detach(action, gateway, await _drop(action, method))
    return method


async def _detach_replaced(
    action: Action, gateway: Gateway, method: PaymentMethod
) -> PaymentMethod:
    for each in (method, await PaymentMethod.get_or_none(pk=method.replaces_id or 0)):
        if each and each.status is PaymentMethodStatus.REMOVED:
            await _detach(action, gateway, each)
    return method


async def _detach(action: Action, gateway: Gateway, method: PaymentMethod) -> PaymentMethod:
    """Remove a method at the provider, or end its setup so that it can't be finished any more: now
    or, while the provider doesn't respond, by `refresh_pending`.
    """
    if method.detached_at or method.provider != gateway.name:
        return method
    if not (method.token or method.setup_reference):
        return method
    try:
        token = method.token or await _cancel_setup(gateway, method.setup_reference or "")
        if token is None:
            return method
        if token:
            await gateway.remove_method(token)
    except GatewayUnavailable:
        return method
    method.detached_at, method.token = action.at, ""
    await PaymentMethod.filter(pk=method.pk).update(detached_at=action.at, token="")
    return method


async def _cancel_setup(gateway: Gateway, reference: str) -> str | None:
    """Cancel a setup. Returns the token of the method if it was saved in between, an empty one if
    it can't be saved any more, and None while the provider still processes it.
    """
    setup = await gateway.cancel_setup(reference)
    if setup and setup.status is SetupStatus.PROCESSING:
        return None
    return setup.method.token if setup and setup.method else ""


async def send_expiry_notices(action: Action) -> int:
    """Notify those who manage the billing 30 days before a card expires, and again 7 days before,
    once each. Returns how many notices were sent.
    """
    until = action.day + timedelta(days=max(NOTICE_DAYS))
    expiring = PaymentMethod.filter(
        status=PaymentMethodStatus.ACTIVE, expires_on__lte=until, expires_on__gte=action.day
    )
    sent_count = 0
    for method in await expiring.order_by("id"):
        days = min(each for each in NOTICE_DAYS if method.expires_within(action.day, each))
        if method.notice_days is None or days < method.notice_days:
            sent_count += await _send_expiry_notice(action, method, days)
    return sent_count


async def _send_expiry_notice(action: Action, method: PaymentMethod, days: int) -> bool:
    async with action.transaction() as tx:
        method = await tx.lock(PaymentMethod, method.pk)
        is_due = method.notice_days is None or days < method.notice_days
        if not is_due or method.status is not PaymentMethodStatus.ACTIVE:
            return False
        method.notice_days = days
        await method.save(using_db=tx.db, update_fields=["notice_days"])
        for user in await billing_contacts(tx, method.account_id):
            await emails.send_card_expires(tx, user, method)
        await tx.append(
            account_stream(method.account_id), EventKind.PAYMENT_METHOD_CHANGED, status="EXPIRING"
        )
        tx.audit(BillingAuditAction.PAYMENT_METHOD_CHANGE, method, days=days)
    return True
