"""What tables, dimensions, values and units are called in emails and on the page of charts, and how
numbers are written there.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from babel.dates import format_date, get_day_names, get_month_names
from babel.numbers import format_decimal, format_percent

from models.accounts.account import AccountStatus, Organization
from models.billing.money import Money
from models.billing.offer import Interval, Segment
from models.billing.payment import PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.purchase import PurchaseStatus
from models.clock import PARIS
from models.countries import COUNTRY_CODES, country_name
from models.locale import Locale
from models.support.classification import (
    CATEGORY_LABELS,
    Category,
    Channel,
    Priority,
    TicketKind,
)
from models.support.sla_policy import SlaMeasure
from models.support.ticket_status import TicketStatus
from models.translations import Translatable, _, _p, text
from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import AccountAge, Fact, Function, InvoiceAge, Unit
from operations.analytics.periods import Period
from operations.analytics.query import Measure
from operations.analytics.support_facts import AuthorKind

FACTS = {
    "tickets": _("Tickets"),
    "messages": _("Messages"),
    "sla": _("SLA measures"),
    "ratings": _("Ratings"),
    "backlog": _("Backlog of tickets"),
    "signUps": _("Sign-ups"),
    "purchases": _("Purchases"),
    "trials": _("Trials"),
    "mrr": _("Recurring revenue (MRR)"),
    "churn": _("Churn"),
    "revenue": _("Revenue"),
    "invoices": _("Invoices"),
    "payments": _("Payments"),
    "dunning": _("Dunned invoices"),
}
PERIODS = {
    Period.HOUR: _("Hour"),
    Period.DAY: _("Day"),
    Period.WEEK: _("Week"),
    Period.MONTH: _("Month"),
    Period.QUARTER: _("Quarter"),
    Period.YEAR: _("Year"),
    Period.WEEKDAY: _("Day of the week"),
    Period.HOUR_OF_DAY: _("Hour of the day"),
}
DIMENSIONS = {
    "CHANNEL": _("Channel"),
    "CATEGORY": _("Category"),
    "TEAM": _("Team"),
    "AGENT_TEAM": _("Team of the agent"),
    "PRIORITY": _("Priority"),
    "STATUS": _("Status"),
    "KIND": _("Kind"),
    "AUTHOR": _("Author"),
    "MEASURE": _("Measure"),
    "SCORE": _("Score"),
    "ACCOUNT_AGE": _("Time since sign-up"),
    "COUNTRY": _("Country"),
    "OFFER": _("Offer"),
    "SEGMENT": _("Segment"),
    "INTERVAL": _("Renewal"),
    "ORGANIZATION": _("Organization"),
    "DUE_AGE": _("Time since due"),
    "REASON": _("Reason for the decline"),
    "PROVIDER": _("Payment provider"),
    "STEP": _("Dunning step (days)"),
}
VALUES = {
    "FIRST_RESPONSE": _("Time to first response"),
    "RESOLUTION": _("Time to resolution"),
    "ANSWERED": _p("share of tickets", "Answered"),
    "SOLVED": _p("share of tickets", "Solved"),
    "REOPENED": _p("share of tickets", "Reopened"),
    "MESSAGES": _("Messages per ticket"),
    "LENGTH": _("Length in characters"),
    "EDITED": _p("share of messages", "Edited"),
    "DELETED": _p("share of messages", "Deleted"),
    "BUSINESS_TIME": _("Business time"),
    "WALL_TIME": _("Wall-clock time"),
    "BREACHED": _("Targets missed"),
    "SCORE": _("Score"),
    "SATISFIED": _("Satisfied customers"),
    "AGE": _("Age of tickets"),
    "PURCHASED": _("With a purchase"),
    "TIME_TO_PURCHASE": _("Time to purchase"),
    "QUANTITY": _("Quantity"),
    "NET": _("Amount excluding VAT"),
    "ENDED": _p("share of purchases", "Ended"),
    "CONVERTED": _p("share of trials", "Converted"),
    "MRR": _("Monthly recurring revenue"),
    "LOST": _p("share of purchases", "Lost"),
    "MRR_LOST": _("Monthly recurring revenue lost"),
    "VAT": _("VAT"),
    "GROSS": _("Amount including VAT"),
    "OPEN": _("Still to be paid"),
    "CREDITED": _p("amount or share of invoices", "Credited"),
    "DISPUTED": _p("amount of invoices", "Disputed"),
    "PAID": _p("amount or share of invoices", "Paid"),
    "TIME_TO_PAY": _("Time to pay"),
    "AMOUNT": _("Amount"),
    "REFUNDED": _p("amount of payments", "Refunded"),
    "DECLINED": _p("share of payments", "Declined"),
    "SUCCEEDED": _p("share of payments", "Succeeded"),
    "RECOVERED": _p("share of dunned invoices", "Recovered"),
    "SUSPENDED": _p("share of dunned invoices", "Purchase suspended"),
    "CANCELED": _p("share of dunned invoices", "Purchase ended"),
}
KEYS = {
    "COMPANY": _("Companies"),
    "TICKET": _("Tickets"),
    "PURCHASE": _("Purchases"),
    "INVOICE": _("Invoices"),
}
FUNCTIONS = {
    Function.COUNT: _p("function of a measure", "Number"),
    Function.DISTINCT: _p("function of a measure", "Different values"),
    Function.SUM: _p("function of a measure", "Sum"),
    Function.MEAN: _p("function of a measure", "Mean"),
    Function.MEDIAN: _p("function of a measure", "Median"),
    Function.P90: _p("function of a measure", "90th percentile"),
}
_PERCENT = {Locale.FR: "#,##0.0\N{NARROW NO-BREAK SPACE}%", Locale.EN: "#,##0.0%"}
HIDDEN = _p("number about too few companies", "hidden")
NONE = _p("a group without a value", "None")
_SHARE_SUM, _SHARE_MEAN = _("%(value)s (number)"), _("%(value)s (share)")
_OTHER = {
    Function.MEAN: _("%(value)s (mean)"),
    Function.MEDIAN: _("%(value)s (median)"),
    Function.P90: _("%(value)s (90th percentile)"),
}
ENUMS: Mapping[type[StrEnum], Mapping[Any, Translatable]] = {
    Channel: {
        Channel.CHAT: _p("channel of a ticket", "Chat"),
        Channel.EMAIL: _p("channel of a ticket", "Email"),
        Channel.PHONE: _p("channel of a ticket", "Phone"),
        Channel.WEB: _p("channel of a ticket", "Web form"),
    },
    Category: CATEGORY_LABELS,
    Priority: {
        Priority.LOW: _p("priority", "Low"),
        Priority.NORMAL: _p("priority", "Normal"),
        Priority.HIGH: _p("priority", "High"),
        Priority.URGENT: _p("priority", "Urgent"),
    },
    TicketStatus: {
        TicketStatus.NEW: _p("status in a chart", "New"),
        TicketStatus.OPEN: _p("status in a chart", "Open"),
        TicketStatus.PENDING: _p("status in a chart", "Pending"),
        TicketStatus.ON_HOLD: _p("status in a chart", "On hold"),
        TicketStatus.SOLVED: _p("status in a chart", "Solved"),
        TicketStatus.CLOSED: _p("status in a chart", "Closed"),
    },
    TicketKind: {
        TicketKind.GENERAL: _p("kind of ticket", "General"),
        TicketKind.ACCOUNT_DEACTIVATION: _p("kind of ticket", "Deactivation of an account"),
        TicketKind.ACCOUNT_REACTIVATION: _p("kind of ticket", "Reactivation of an account"),
        TicketKind.ACCOUNT_DELETION: _p("kind of ticket", "Deletion of an account"),
    },
    AuthorKind: {
        AuthorKind.CUSTOMER: _p("author of a message", "Customer"),
        AuthorKind.STAFF: _p("author of a message", "Staff"),
    },
    SlaMeasure: {
        SlaMeasure.FIRST_RESPONSE: _("First response"),
        SlaMeasure.NEXT_RESPONSE: _("Next response"),
        SlaMeasure.RESOLUTION: _("Resolution"),
    },
    AccountAge: {
        AccountAge.UNDER_1_MONTH: _("Less than 1 month"),
        AccountAge.UNDER_3_MONTHS: _("1 to 3 months"),
        AccountAge.UNDER_6_MONTHS: _("3 to 6 months"),
        AccountAge.UNDER_1_YEAR: _("6 to 12 months"),
        AccountAge.UNDER_2_YEARS: _("1 to 2 years"),
        AccountAge.OVER_2_YEARS: _("More than 2 years"),
    },
    InvoiceAge: {
        InvoiceAge.NOT_DUE: _("Not due yet"),
        InvoiceAge.UNTIL_30: _("Up to 30 days"),
        InvoiceAge.UNTIL_60: _("31 to 60 days"),
        InvoiceAge.UNTIL_90: _("61 to 90 days"),
        InvoiceAge.OVER_90: _("More than 90 days"),
    },
    Segment: {
        Segment.TPE: _p("size of business", "Very small business"),
        Segment.PME: _p("size of business", "Small or medium business"),
    },
    Interval: {
        Interval.MONTH: _p("renewal", "Monthly"),
        Interval.YEAR: _p("renewal", "Yearly"),
    },
    Organization: {
        Organization.COMPANY: _p("organization", "Company"),
        Organization.ASSOCIATION: _p("organization", "Association"),
    },
    AccountStatus: {
        AccountStatus.ACTIVE: _p("status of an account", "Active"),
        AccountStatus.DEACTIVATED: _p("status of an account", "Deactivated"),
        AccountStatus.CLOSING: _p("status of an account", "Closing"),
        AccountStatus.ERASED: _p("status of an account", "Erased"),
    },
    PurchaseStatus: {
        PurchaseStatus.DRAFT: _p("status of a purchase", "Draft"),
        PurchaseStatus.BILLING_CONFIRMED: _p("status of a purchase", "Billing confirmed"),
        PurchaseStatus.PAYMENT_PENDING: _p("status of a purchase", "Payment pending"),
        PurchaseStatus.TRIALING: _p("status of a purchase", "In trial"),
        PurchaseStatus.ACTIVE: _p("status of a purchase", "Active"),
        PurchaseStatus.PAST_DUE: _p("status of a purchase", "Past due"),
        PurchaseStatus.PAUSED: _p("status of a purchase", "Paused"),
        PurchaseStatus.SUSPENDED: _p("status of a purchase", "Suspended"),
        PurchaseStatus.CANCELED: _p("status of a purchase", "Canceled"),
        PurchaseStatus.EXPIRED: _p("status of a purchase", "Expired"),
    },
    PaymentStatus: {
        PaymentStatus.PROCESSING: _p("status of a payment", "Processing"),
        PaymentStatus.REQUIRES_ACTION: _p("status of a payment", "To be confirmed"),
        PaymentStatus.SUCCEEDED: _p("status of a payment", "Succeeded"),
        PaymentStatus.DECLINED: _p("status of a payment", "Declined"),
        PaymentStatus.CANCELED: _p("status of a payment", "Canceled"),
        PaymentStatus.EXPIRED: _p("status of a payment", "Expired"),
    },
    PaymentKind: {
        PaymentKind.CARD: _p("kind of payment", "Card"),
        PaymentKind.TRANSFER: _p("kind of payment", "Bank transfer"),
        PaymentKind.DIRECT_DEBIT: _p("kind of payment", "Direct debit"),
        PaymentKind.WALLET: _p("kind of payment", "Wallet"),
    },
}


def dimension_label(name: str, locale: Locale) -> str:
    """What a dimension is called."""
    label = PERIODS[Period(name)] if name in Period.__members__ else DIMENSIONS[name]
    return text(label, locale)


def measure_label(measure: Measure, fact: Fact, locale: Locale) -> str:
    """What a measure is called, such as `Amount excluding VAT (median)`."""
    if measure.function is Function.COUNT or measure.of is None:
        return text(FUNCTIONS[Function.COUNT], locale)
    if measure.function is Function.DISTINCT:
        return text(KEYS[measure.of], locale)
    value = VALUES[measure.of]
    if fact.values[measure.of].unit is Unit.SHARE:
        is_sum = measure.function is Function.SUM
        return text(_SHARE_SUM if is_sum else _SHARE_MEAN, locale, value=value)
    template = _OTHER.get(measure.function)
    return text(template, locale, value=value) if template else text(value, locale)


def key_label(name: str, key: str | None, fact: str, locale: Locale) -> str:
    """How the value of a dimension is written."""
    if key is None:
        return text(NONE, locale)
    if name in Period.__members__:
        return _period_label(Period(name), key, locale)
    dimension = fact_tables("sqlite")[fact].dimensions[name]
    if dimension.kind is not None:
        label = ENUMS[dimension.kind].get(key)
        return text(label, locale) if label else key
    if name == "COUNTRY" and key in COUNTRY_CODES:
        return country_name(key, locale)
    return key


def _period_label(period: Period, key: str, locale: Locale) -> str:
    language = "fr_FR" if locale is Locale.FR else "en_GB"
    if period is Period.WEEKDAY:
        name = str(get_day_names("wide", "stand-alone", language)[int(key) - 1])
        return name[:1].upper() + name[1:]
    if period is Period.HOUR_OF_DAY:
        return _hour(int(key), locale)
    if period is Period.HOUR:
        at = datetime.fromisoformat(key).astimezone(PARIS)
        return f"{_day(at.date(), language)}, {_hour(at.hour, locale)}"
    first = date.fromisoformat(key)
    match period:
        case Period.MONTH:
            return f"{get_month_names('abbreviated', 'format', language)[first.month]} {first.year}"
        case Period.QUARTER:
            letter = "T" if locale is Locale.FR else "Q"
            return f"{letter}{(first.month + 2) // 3} {first.year}"
        case Period.YEAR:
            return str(first.year)
        case Period.WEEK:
            return text(_("Week of %(day)s"), locale, day=_day(first, language))
    return _day(first, language)


def _day(day: date, language: str) -> str:
    return format_date(day, "d MMM y", locale=language)


def _hour(hour: int, locale: Locale) -> str:
    return f"{hour:02}:00" if locale is Locale.EN else f"{hour}\N{NO-BREAK SPACE}h"


def number_label(number: float | int | None, unit: Unit | None, locale: Locale) -> str:
    """A number as people read it, `–` when there is none. Times are in the largest two units."""
    if number is None:
        return "–"
    match unit:
        case Unit.EUR:
            return Money(int(number)).formatted(locale.value)
        case Unit.SHARE:
            return format_percent(number, _PERCENT[locale], locale=locale.value)
        case Unit.SECONDS:
            return _seconds(round(number))
        case Unit.DAYS:
            days = format_decimal(round(number, 1), "#,##0.#", locale=locale.value)
            return text(_("%(number)s d"), locale, number=days)
    return format_decimal(round(number, 2), "#,##0.##", locale=locale.value)


def _seconds(seconds: int) -> str:
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if seconds < 0 else ""
    space = "\N{NO-BREAK SPACE}"
    if hours:
        return f"{sign}{hours}{space}h{space}{minutes:02}"
    return f"{sign}{minutes}{space}min{space}{rest:02}" if minutes else f"{sign}{rest}{space}s"


def change_label(change: float | None, locale: Locale) -> str:
    """A relative change with its sign, `–` when there is none."""
    if change is None:
        return "–"
    sign = "+" if change > 0 else ""
    return sign + number_label(change, Unit.SHARE, locale)


def range_label(since: date, until: date, locale: Locale) -> str:
    """A range of days, whose end isn't part of it."""
    language = "fr_FR" if locale is Locale.FR else "en_GB"
    last = until - timedelta(days=1)
    if last <= since:
        return _day(since, language)
    return text(
        _("%(since)s to %(last)s"),
        locale,
        since=_day(since, language),
        last=_day(last, language),
    )
