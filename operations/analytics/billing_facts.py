"""The fact tables of billing: sign-ups, purchases, trials, recurring revenue, churn, revenue,
invoices, payments and dunning.
"""

from datetime import date, timedelta

from models.accounts.account import AccountStatus, Organization
from models.billing.offer import Interval, Segment
from models.billing.payment import PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.purchase import PurchaseStatus
from operations.analytics.billing_sql import IS_BILLED, recurring_items, revenue, yearly_cents
from operations.analytics.company import company_dimensions
from operations.analytics.facts import Dimension, Fact, InvoiceAge, Key, Unit, Value, flag
from operations.analytics.periods import days_between, paris_day

_PURCHASE_KEY = Key("purchase.id", "Purchases.")
_PRICE = "JOIN price ON price.id = purchase.price_id JOIN offer ON offer.id = price.offer_id"
_OFFER = {
    "OFFER": Dimension("offer.slug", "The offer, by its slug."),
    "SEGMENT": Dimension("offer.segment", "The size of business that the offer is for.", Segment),
    "INTERVAL": Dimension("price.interval", "The renewal interval.", Interval),
}
_PURCHASE_STATUS = Dimension(
    "purchase.status", "The current status of the purchase.", PurchaseStatus
)


def billing_facts(dialect: str, today: date) -> list[Fact]:
    """The fact tables in a dialect of SQL, as they are today in Europe/Paris."""
    return [
        _sign_ups(dialect),
        _purchases(dialect),
        _trials(dialect),
        _mrr(dialect),
        _churn(dialect),
        _revenue(dialect),
        _invoices(dialect, today),
        _payments(dialect),
        _dunning(dialect),
    ]


def _sign_ups(dialect: str) -> Fact:
    first_purchase = (
        "(SELECT MIN(purchase.activated_at) FROM purchase WHERE purchase.account_id = account.id)"
    )
    day = paris_day("account.created_at", dialect)
    return Fact(
        "signUps",
        "Companies, at the time at which they signed up.",
        "account",
        "account.id",
        {
            "COUNTRY": company_dimensions(day, dialect)["COUNTRY"],
            "ORGANIZATION": Dimension(
                "account.organization", "Whether it is a company or an association.", Organization
            ),
            "STATUS": Dimension(
                "account.status", "The current status of the account.", AccountStatus
            ),
        },
        {
            "PURCHASED": Value(
                flag(f"{first_purchase} IS NOT NULL"),
                "Whether the company has ever held an offer, including as a trial.",
                Unit.SHARE,
            ),
            "TIME_TO_PURCHASE": Value(
                days_between(day, paris_day(first_purchase, dialect), dialect),
                "The time until the company held its first offer. Only companies that have held "
                "one count.",
                Unit.DAYS,
            ),
        },
        moment="account.created_at",
    )


def _purchases(dialect: str) -> Fact:
    return Fact(
        "purchases",
        "Purchases, at the time at which they became active or their trial began.",
        f"purchase {_PRICE} LEFT JOIN account ON account.id = purchase.account_id",
        "purchase.account_id",
        {
            **_OFFER,
            "STATUS": _PURCHASE_STATUS,
            **company_dimensions(
                paris_day("purchase.activated_at", dialect), dialect, has_offer=True
            ),
        },
        {
            "QUANTITY": Value("purchase.quantity", "The current quantity.", Unit.COUNT),
            "NET": Value(
                "purchase.quantity * price.net_cents",
                "The list price of a period for the current quantity, excluding VAT.",
                Unit.EUR,
            ),
            "ENDED": Value(
                flag("purchase.ended_on IS NOT NULL"), "Whether the purchase has ended.", Unit.SHARE
            ),
        },
        {"PURCHASE": _PURCHASE_KEY},
        where="purchase.activated_at IS NOT NULL",
        moment="purchase.activated_at",
    )


def _trials(dialect: str) -> Fact:
    billed = (
        "EXISTS (SELECT 1 FROM billing_item AS item WHERE item.purchase_id = purchase.id "
        "AND item.kind = 'CYCLE' AND item.invoice_line_id IS NOT NULL)"
    )
    return Fact(
        "trials",
        "Trials, at the time at which they began.",
        f"purchase {_PRICE} LEFT JOIN account ON account.id = purchase.account_id",
        "purchase.account_id",
        {
            **_OFFER,
            "STATUS": _PURCHASE_STATUS,
            **company_dimensions(
                paris_day("purchase.activated_at", dialect), dialect, has_offer=True
            ),
        },
        {
            "CONVERTED": Value(
                f"CASE WHEN {billed} THEN 1 "
                f"WHEN purchase.status = '{PurchaseStatus.TRIALING}' THEN NULL ELSE 0 END",
                "Whether the first period after the trial was billed. Null while the trial runs.",
                Unit.SHARE,
            ),
        },
        {"PURCHASE": _PURCHASE_KEY},
        where="purchase.trial_ends_on IS NOT NULL AND purchase.activated_at IS NOT NULL",
        moment="purchase.activated_at",
    )


def _mrr(dialect: str) -> Fact:
    return Fact(
        "mrr",
        "Purchases with a billed period that contains the last day of each bucket, or today.",
        f"""(
            SELECT measured.bucket, measured.day, item.purchase_id, price.id AS price_id,
                CAST({yearly_cents(dialect)} AS BIGINT) AS yearly
            FROM measured CROSS JOIN {recurring_items(dialect)}
            JOIN purchase ON purchase.id = item.purchase_id
            WHERE {IS_BILLED} AND item.starts_on <= measured.day AND item.ends_on > measured.day
                AND (purchase.ended_on IS NULL OR purchase.ended_on > measured.day)
            GROUP BY measured.bucket, measured.day, item.purchase_id, price.id
        ) AS measured JOIN purchase ON purchase.id = measured.purchase_id
        JOIN price ON price.id = measured.price_id JOIN offer ON offer.id = price.offer_id
        LEFT JOIN account ON account.id = purchase.account_id""",  # noqa: S608 - our own names
        "purchase.account_id",
        {
            **_OFFER,
            **company_dimensions("measured.day", dialect, has_offer=True),
        },
        {
            "MRR": Value(
                "measured.yearly",
                "The monthly price of the billed periods, excluding VAT and after discounts. A "
                "yearly price is divided by twelve.",
                Unit.EUR,
                12,
            ),
        },
        {"PURCHASE": _PURCHASE_KEY},
        day="measured.day",
        is_snapshot=True,
    )


def _churn(dialect: str) -> Fact:
    lost = "purchase.ended_on IS NOT NULL AND purchase.ended_on <= measured.day"
    return Fact(
        "churn",
        "Purchases with a billed period that contains the day before each bucket: those that can "
        "be lost in the bucket.",
        f"""(
            SELECT measured.bucket, measured.first_day, measured.day, item.purchase_id,
                CAST({yearly_cents(dialect)} AS BIGINT) AS yearly
            FROM measured CROSS JOIN {recurring_items(dialect)}
            JOIN purchase ON purchase.id = item.purchase_id
            WHERE {IS_BILLED} AND item.starts_on < measured.first_day
                AND item.ends_on >= measured.first_day
                AND (purchase.ended_on IS NULL OR purchase.ended_on >= measured.first_day)
            GROUP BY measured.bucket, measured.first_day, measured.day, item.purchase_id
        ) AS measured JOIN purchase ON purchase.id = measured.purchase_id {_PRICE}
        LEFT JOIN account ON account.id = purchase.account_id""",  # noqa: S608 - our own names
        "purchase.account_id",
        {
            **_OFFER,
            **company_dimensions("measured.first_day", dialect, has_offer=True),
        },
        {
            "LOST": Value(flag(lost), "Whether the purchase ended in the bucket.", Unit.SHARE),
            "MRR": Value(
                "measured.yearly",
                "The monthly recurring revenue before the bucket.",
                Unit.EUR,
                12,
            ),
            "MRR_LOST": Value(
                f"CASE WHEN {lost} THEN measured.yearly ELSE 0 END",
                "The monthly recurring revenue of the purchases that ended in the bucket.",
                Unit.EUR,
                12,
            ),
        },
        {"PURCHASE": _PURCHASE_KEY},
        day="measured.day",
        is_snapshot=True,
    )


def _revenue(dialect: str) -> Fact:
    amounts = revenue("RANGE(invoice.issued_on)", "RANGE(corrective.issued_on)", dialect)
    return Fact(
        "revenue",
        "Lines of invoices and credit notes, on the day of issue. Credit notes count negatively. "
        "From the day of its issue, a corrective invoice counts instead of the one that it "
        "replaces.",
        f"{amounts} AS amount JOIN price ON price.id = amount.price_id "
        "JOIN offer ON offer.id = price.offer_id "
        "LEFT JOIN account ON account.id = amount.account_id",
        "amount.account_id",
        {**_OFFER, **company_dimensions("amount.issued_on", dialect, has_offer=True)},
        {
            "NET": Value("amount.net", "The amount excluding VAT.", Unit.EUR),
            "VAT": Value("amount.vat", "The VAT.", Unit.EUR),
            "GROSS": Value("amount.net + amount.vat", "The amount including VAT.", Unit.EUR),
        },
        {"INVOICE": Key("amount.invoice_id", "Issued invoices, without credit notes.")},
        day="amount.issued_on",
    )


def _invoices(dialect: str, today: date) -> Fact:
    cases = " ".join(
        f"WHEN receivable.due_on {operator} '{today - timedelta(days=days)}' THEN '{age}'"
        for operator, days, age in (
            (">", 0, InvoiceAge.NOT_DUE),
            (">=", 30, InvoiceAge.UNTIL_30),
            (">=", 60, InvoiceAge.UNTIL_60),
            (">=", 90, InvoiceAge.UNTIL_90),
        )
    )
    settled_day = paris_day("receivable.settled_at", dialect)
    return Fact(
        "invoices",
        "Issued invoices and what is still to be paid on them, on the day of issue.",
        "receivable JOIN invoice ON invoice.id = receivable.invoice_id "
        "LEFT JOIN account ON account.id = invoice.account_id",
        "invoice.account_id",
        {
            "DUE_AGE": Dimension(
                f"CASE {cases} ELSE '{InvoiceAge.OVER_90}' END",
                "How long ago the invoice was due.",
                InvoiceAge,
            ),
            **company_dimensions("invoice.issued_on", dialect),
        },
        {
            "GROSS": Value("receivable.gross_cents", "The total including VAT.", Unit.EUR),
            "OPEN": Value("receivable.open_cents", "What is still to be paid.", Unit.EUR),
            "CREDITED": Value("receivable.credited_cents", "What was credited.", Unit.EUR),
            "DISPUTED": Value(
                "CASE WHEN receivable.disputed_at IS NULL THEN 0 ELSE receivable.open_cents END",
                "What is still to be paid and is disputed.",
                Unit.EUR,
            ),
            "PAID": Value(
                flag("receivable.open_cents = 0"), "Whether nothing is left to pay.", Unit.SHARE
            ),
            "TIME_TO_PAY": Value(
                days_between("invoice.issued_on", settled_day, dialect),
                "The time until nothing was left to pay. Only settled invoices count.",
                Unit.DAYS,
            ),
        },
        {"INVOICE": Key("invoice.id", "Invoices.")},
        day="invoice.issued_on",
        moment="invoice.issued_at",
    )


def _payments(dialect: str) -> Fact:
    final = (
        f"payment.status NOT IN ('{PaymentStatus.PROCESSING}', '{PaymentStatus.REQUIRES_ACTION}')"
    )
    day = paris_day("payment.created_at", dialect)
    return Fact(
        "payments",
        "Attempts to pay, at the time at which they were made.",
        "payment LEFT JOIN account ON account.id = payment.account_id",
        "payment.account_id",
        {
            "STATUS": Dimension("payment.status", "The status of the payment.", PaymentStatus),
            "KIND": Dimension("payment.kind", "The kind of payment method.", PaymentKind),
            "REASON": Dimension(
                "payment.decline_code",
                "The provider's code for the reason of the decline. Null when there is none.",
            ),
            "PROVIDER": Dimension("payment.provider", "The payment provider."),
            **company_dimensions(day, dialect),
        },
        {
            "AMOUNT": Value("payment.amount_cents", "The amount.", Unit.EUR),
            "REFUNDED": Value("payment.refunded_cents", "What was refunded of it.", Unit.EUR),
            "DECLINED": Value(
                f"CASE WHEN {final} THEN {flag(_is(PaymentStatus.DECLINED))} END",
                "Whether the payment was declined. Only payments with a final status count.",
                Unit.SHARE,
            ),
            "SUCCEEDED": Value(
                f"CASE WHEN {final} THEN {flag(_is(PaymentStatus.SUCCEEDED))} END",
                "Whether the payment succeeded. Only payments with a final status count.",
                Unit.SHARE,
            ),
        },
        moment="payment.created_at",
    )


def _is(status: PaymentStatus) -> str:
    return f"payment.status = '{status}'"


def _dunning(dialect: str) -> Fact:
    credited = "receivable.open_cents = 0 AND receivable.credited_cents >= receivable.gross_cents"
    return Fact(
        "dunning",
        "Invoices that were dunned, on the day on which they were due.",
        "(SELECT invoice_id, MAX(days) AS step FROM dunning_step GROUP BY invoice_id) AS late "
        "JOIN receivable ON receivable.invoice_id = late.invoice_id "
        "JOIN invoice ON invoice.id = late.invoice_id "
        "LEFT JOIN purchase ON purchase.id = invoice.purchase_id "
        "LEFT JOIN account ON account.id = invoice.account_id",
        "invoice.account_id",
        {
            "STEP": Dimension(
                "late.step",
                "The last step of dunning, in days after the due date.",
                is_number=True,
            ),
            **company_dimensions("invoice.due_on", dialect),
        },
        {
            "RECOVERED": Value(
                flag(f"receivable.open_cents = 0 AND NOT ({credited})"),
                "Whether it was paid.",
                Unit.SHARE,
            ),
            "CREDITED": Value(flag(credited), "Whether it was credited.", Unit.SHARE),
            "SUSPENDED": Value(
                flag("receivable.open_cents > 0 AND purchase.status = 'SUSPENDED'"),
                "Whether it is still open and its purchase is suspended.",
                Unit.SHARE,
            ),
            "CANCELED": Value(
                flag("receivable.open_cents > 0 AND purchase.status = 'CANCELED'"),
                "Whether it is still open and its purchase has ended.",
                Unit.SHARE,
            ),
            "PAID": Value(
                "receivable.gross_cents - receivable.open_cents - receivable.credited_cents",
                "What was paid.",
                Unit.EUR,
            ),
            "OPEN": Value("receivable.open_cents", "What is still to be paid.", Unit.EUR),
        },
        {"INVOICE": Key("invoice.id", "Invoices.")},
        day="invoice.due_on",
    )
