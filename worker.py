"""The jobs that server processes run at intervals, one line each.

`serve` runs all of them. With `serve --no-worker` a process runs only those that concern its own
connections and memory, and `work` processes run the others.

A job may run in several processes at once: it finds its work in the database and claims it there. A
job that fails is logged and runs again at its next interval; the others are not affected.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Protocol

import structlog

from accounts import legal_names, service_accounts, staff
from accounts.vat_numbers import check_due_numbers
from auth.session_checks import announce_ended_sessions
from billing import payment_methods, provider_events
from billing.bank.matching import match_new_lines
from billing.catalogue import apply_due_changes
from billing.changes.resume_reminders import send_resume_reminders
from billing.charging import reconcile
from billing.delivery.collections import report_due
from billing.delivery.sending import deliver_due
from billing.delivery.statuses import read_statuses
from billing.document_requests import render_due
from billing.dunning import dun_late_invoices
from billing.refunds import refund_pending
from billing.renewals import bill_due_periods
from billing.trials import send_trial_reminders
from billing.vat_checks import schedule_checks
from mail.delivery import deliver_due as send_emails
from mail.message import Sender
from mail.transport import Transport
from models.action import Action, retry_conflict
from models.billing.purchase import Purchase
from models.clock import local_date
from models.database.workload import Workload, assign_workload
from models.event import INBOX
from models.operations.installation import Installation
from models.support.live_chat import CHATS
from models.tracing import SpanKind, span
from operations.analytics.schedules import send_due_reports
from operations.audit_proof import expire
from operations.clock_changes import correct_waiting_times
from operations.retention import delete_due
from operations.verification_cost import count_rows
from operations.webhooks.sending import WebhookSender
from privacy import erasure
from privacy.buyer_erasures import erase_buyers
from privacy.data_requests import send_data_request_reminders
from privacy.incident_alerts import call_webhook, send_incident_reminders
from privacy.incident_notices import send_breach_messages
from privacy.mailings import send_mailings
from privacy.person_rights import end_restrictions
from privacy.unused_accounts import handle_unused_accounts
from realtime.connected_agents import CONNECTIONS
from realtime.hub import SWEEP_SECONDS
from resolvers.content.webinars import organizer_of
from resolvers.context import Services
from resolvers.privacy.erasures import erasure_services
from settings import Settings
from storage.abandoned_files import delete_abandoned_files
from storage.file_service import FileService, scan_waiting_files
from support.automation_runs import run_automations
from support.chats import handle_chats
from support.deadline_reminders import send_deadline_reminders
from support.escalations import assign_waiting
from support.incoming.mailbox import read_mailbox
from support.incoming.options import MailboxOptions
from support.incoming.processing import IncomingMailServices, process_due
from support.incoming.retention import delete_old_emails
from support.library.articles import publish_due
from support.library.webinars import send_notices
from support.positions import store_delivered
from support.presence import renew_leases
from support.push.sending import delete_ended, send_due
from support.ratings import request_ratings
from support.reply_emails import send_due_replies
from support.scheduled_replies import send_due as send_scheduled_replies
from support.search import index_new
from support.sla import check_clocks
from support.sla_measures import refresh_answer_times
from support.snoozing import wake_due
from support.status_board import take_snapshot

EMAILS_PER_RUN = 1_000
DOCUMENTS_PER_RUN = 100
# Between two runs of a job, however much is announced, and by how long the first one took.
PAUSE_SECONDS, PAUSE_SHARE = 0.2, 4

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class Job:
    """A job: `work` is called again `seconds` after it has finished, or when one of the hub's keys
    in `listen` is announced.

    An `internal` job changes nothing but this database. The others don't run while the installation
    is held (models/operations/installation.py). A `local` job concerns the connections and the
    memory of its process, so each process that serves clients runs it. `close` ends what a job does
    between its runs.
    """

    name: str
    seconds: float
    work: Callable[[], Awaitable[object]]
    internal: bool = False
    local: bool = False
    listen: Callable[[], AbstractContextManager[asyncio.Event]] | None = None
    close: Callable[[], Awaitable[None]] | None = None


def jobs(
    services: Services, settings: Settings, transport: Transport, file_service: FileService
) -> list[Job]:
    """The jobs of one process."""
    clock, action = services.clock, partial(_action, services)
    checkout_services = services.checkout
    incoming_mail = settings.incoming_mail_services(services.auth, file_service)
    reply_addresses = incoming_mail.reply_addresses if incoming_mail else None
    sender = Sender(
        settings.mail_sender, services.base_url, services.customer_space, reply_addresses
    )
    return [
        Job(
            "clock",
            10,
            lambda: correct_waiting_times(action()),
            internal=True,
        ),
        Job(
            "emails",
            1,
            lambda: send_emails(
                transport,
                clock.now(),
                EMAILS_PER_RUN,
                sender=sender,
                now=clock.now,
                connections=settings.mail.connections,
            ),
        ),
        Job(
            "reply emails",
            5,
            lambda: send_due_replies(
                action(),
                services.delivered,
                timedelta(seconds=settings.mail.reply_delay),
                accepts_answers=incoming_mail is not None,
            ),
        ),
        Job(
            "delivered tickets",
            1,
            lambda: store_delivered(action(), services.delivered),
            internal=True,
            local=True,
        ),
        *_incoming_mail_jobs(services, settings, incoming_mail),
        *_push_jobs(services),
        _webhook_job(services),
        Job(
            "payments",
            15,
            lambda: reconcile(action(), checkout_services),
        ),
        Job(
            "bank lines",
            15,
            lambda: match_new_lines(action()),
        ),
        Job(
            "expired drafts",
            600,
            lambda: Purchase.expire_drafts(action()),
            internal=True,
        ),
        Job(
            "catalogue",
            30,
            lambda: apply_due_changes(action()),
            internal=True,
        ),
        Job(
            "refunds",
            15,
            lambda: refund_pending(action(), *checkout_services.gateways),
        ),
        Job(
            "documents",
            1,
            lambda: render_due(
                action(),
                services.auth.signer,
                DOCUMENTS_PER_RUN,
                services.delivery_channel,
            ),
        ),
        Job(
            "invoice deliveries",
            5,
            lambda: deliver_due(action(), services.platform),
        ),
        Job(
            "platform statuses",
            30,
            lambda: read_statuses(action(), services.platform),
        ),
        Job(
            "collection reports",
            15,
            lambda: report_due(action(), services.platform),
        ),
        Job(
            "provider events",
            5,
            lambda: provider_events.handle_due(action(), checkout_services),
        ),
        Job(
            "payment methods",
            60,
            lambda: payment_methods.refresh_pending(action(), services.gateway),
        ),
        Job(
            "expiring cards",
            3_600,
            lambda: payment_methods.send_expiry_notices(action()),
        ),
        Job(
            "expiring API keys",
            3_600,
            lambda: service_accounts.send_expiry_reminders(action()),
        ),
        Job(
            "renewals",
            60,
            lambda: bill_due_periods(action(), checkout_services),
        ),
        Job(
            "trial reminders",
            600,
            lambda: send_trial_reminders(action(), checkout_services),
        ),
        Job(
            "resume reminders",
            600,
            lambda: send_resume_reminders(action(), checkout_services),
        ),
        Job(
            "dunning",
            60,
            lambda: dun_late_invoices(action(), checkout_services),
        ),
        Job(
            "quarantine",
            15,
            lambda: scan_waiting_files(action(), file_service),
        ),
        Job(
            "abandoned files",
            3_600,
            lambda: delete_abandoned_files(action(), file_service.store),
        ),
        Job(
            "registry",
            30,
            lambda: legal_names.check_due_changes(action(), services.registry),
        ),
        Job(
            "new companies",
            30,
            lambda: legal_names.check_due_accounts(action(), services.registry),
        ),
        Job(
            "VAT numbers",
            30,
            lambda: check_due_numbers(action(), services.vat_service),
        ),
        Job(
            "VAT numbers before invoices",
            3_600,
            lambda: schedule_checks(action()),
            internal=True,
        ),
        Job(
            "tickets of former agents",
            5,
            lambda: staff.unassign_tickets(action()),
        ),
        Job(
            "connected agents",
            10,
            lambda: renew_leases(action(), services.presence.agents),
            internal=True,
            local=True,
            listen=lambda: services.hub.listen(CONNECTIONS),
        ),
        Job(
            "chats",
            5,
            lambda: handle_chats(action(), services.presence.agents, settings.chat),
            listen=lambda: services.hub.listen(CHATS, INBOX),
        ),
        Job(
            "chat watchers",
            5,
            services.chats.refresh,
            internal=True,
            local=True,
            listen=lambda: services.hub.listen(CHATS, INBOX),
        ),
        Job(
            "articles",
            30,
            lambda: publish_due(action()),
            internal=True,
        ),
        Job(
            "webinars",
            30,
            lambda: send_notices(action(), organizer_of(services.seller)),
        ),
        Job(
            "scheduled reports",
            15,
            lambda: send_due_reports(
                action(), services.auth.signer, services.analytics.min_companies
            ),
        ),
        Job("ticket search", 2, index_new, internal=True),
        Job(
            "snoozed tickets",
            5,
            lambda: wake_due(action()),
            internal=True,
        ),
        Job(
            "scheduled replies",
            5,
            lambda: send_scheduled_replies(action()),
        ),
        Job(
            "deadline reminders",
            60,
            lambda: send_deadline_reminders(action()),
        ),
        Job(
            "SLA clocks",
            5,
            lambda: check_clocks(action()),
            internal=True,
        ),
        Job(
            "automations",
            5,
            lambda: run_automations(action()),
            listen=lambda: services.hub.listen(INBOX),
        ),
        Job(
            "answer times",
            3_600,
            lambda: refresh_answer_times(action()),
            internal=True,
        ),
        Job(
            "status board",
            30,
            lambda: take_snapshot(action()),
            internal=True,
        ),
        Job(
            "erasures",
            60,
            lambda: erasure.erase_due_accounts(
                action(),
                erasure_services(services, file_service.store),
            ),
        ),
        Job("retention", 3_600, lambda: delete_due(clock.now()), internal=True),
        Job(
            "escalations",
            30,
            lambda: assign_waiting(action()),
            internal=True,
        ),
        Job(
            "rating requests",
            60,
            lambda: request_ratings(action(), services.auth.signer),
        ),
        Job(
            "incident reminders",
            60,
            lambda: send_incident_reminders(action(), services.security),
            internal=True,
        ),
        Job(
            "data request reminders",
            60,
            lambda: send_data_request_reminders(action()),
            internal=True,
        ),
        Job(
            "unused accounts",
            3_600,
            lambda: handle_unused_accounts(
                action(), services.seller.retention_on(local_date(clock.now()))
            ),
            internal=True,
        ),
        Job("restrictions", 3_600, lambda: end_restrictions(clock.now()), internal=True),
        Job(
            "incident notices",
            10,
            lambda: send_breach_messages(action()),
            internal=True,
        ),
        Job(
            "buyer erasures",
            5,
            lambda: erase_buyers(action()),
            internal=True,
        ),
        Job(
            "mailings",
            5,
            lambda: send_mailings(action(), services.auth.signer),
            internal=True,
        ),
        Job(
            "incident webhook",
            5,
            lambda: call_webhook(action(), services.security),
        ),
        Job("streams", SWEEP_SECONDS, services.hub.sweep, internal=True, local=True),
        Job("audit", 3_600, lambda: expire(action()), internal=True),
        Job(
            "sessions",
            SWEEP_SECONDS,
            lambda: announce_ended_sessions(services.hub, clock.now()),
            internal=True,
            local=True,
        ),
        Job("verification costs", 60, count_rows, internal=True, local=True),
    ]


def _action(services: Services) -> Action:
    """The action of a job, performed by no one, at the current time."""
    return Action(None, services.clock.now(), services.hub)


def _push_jobs(services: Services) -> list[Job]:
    """The jobs for notifications on devices: one for each push service, so that a slow one delays
    no other. Empty when there are no notifications.
    """
    channel = services.push
    if channel is None:
        return []
    return [
        *(
            Job(
                f"notifications through {service.name}",
                2,
                partial(send_due, channel, service, services.clock.now),
            )
            for service in channel.services
        ),
        Job(
            "devices of ended sessions",
            3_600,
            lambda: delete_ended(services.clock.now()),
            internal=True,
        ),
    ]


def _webhook_job(services: Services) -> Job:
    """The job for webhooks. It doesn't wait for their receivers."""
    sender = WebhookSender(
        services.auth.secret_box, services.clock.now, services.hub, services.webhook_hosts
    )
    return Job("webhooks", 1, sender.run, close=sender.close)


def _incoming_mail_jobs(
    services: Services, settings: Settings, incoming_mail: IncomingMailServices | None
) -> list[Job]:
    """The jobs for emails to support, empty when no emails are received."""
    if incoming_mail is None:
        return []
    action = partial(_action, services)
    url = settings.incoming_mailbox
    mailbox = MailboxOptions.from_url(url) if url else None
    return [
        Job(
            "incoming emails",
            1,
            lambda: process_due(action(), incoming_mail),
        ),
        *(
            [
                Job(
                    "mailbox",
                    settings.incoming_mail.poll_seconds,
                    lambda: read_mailbox(
                        mailbox,
                        incoming_mail.files.store,
                        services.clock.now,
                        settings.incoming_mail.max_bytes,
                    ),
                )
            ]
            if mailbox
            else []
        ),
        Job(
            "old incoming emails",
            3_600,
            lambda: delete_old_emails(
                action(),
                incoming_mail.files.store,
                timedelta(days=settings.incoming_mail.raw_days),
            ),
        ),
    ]


class Observer(Protocol):
    """Is told of the runs of jobs."""

    def job_ended(self, name: str, seconds: float, *, succeeded: bool) -> None:
        """A run has ended, after so many seconds."""


async def run(jobs: Sequence[Job], observer: Observer | None = None) -> None:
    """Run the jobs until cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                work = (
                    _repeat_when_announced(job, job.listen, observer)
                    if job.listen
                    else _repeat(job, observer)
                )
                group.create_task(work, name=job.name)
    finally:
        for job in jobs:
            if job.close:
                await job.close()


async def _repeat(job: Job, observer: Observer | None) -> None:
    assign_workload(Workload.JOBS)
    while True:
        await _run_once(job, observer)
        await asyncio.sleep(job.seconds)


async def _repeat_when_announced(
    job: Job,
    listen: Callable[[], AbstractContextManager[asyncio.Event]],
    observer: Observer | None,
) -> None:
    assign_workload(Workload.JOBS)
    with listen() as announced:
        while True:
            announced.clear()
            began_at = monotonic()
            await _run_once(job, observer)
            pause = max(PAUSE_SECONDS, PAUSE_SHARE * (monotonic() - began_at))
            await asyncio.sleep(min(pause, job.seconds))
            with suppress(TimeoutError):
                async with asyncio.timeout(job.seconds):
                    await announced.wait()


async def _run_once(job: Job, observer: Observer | None) -> None:
    began_at, succeeded = monotonic(), False
    try:
        with span(f"job {job.name}", SpanKind.JOB):
            if job.internal or not await Installation.is_held():
                await retry_conflict(job.work)
        succeeded = True
    except Exception as error:
        # The message of an error may contain personal data, so only its class and location are
        # logged.
        log.error("job.failed", job=job.name, error=type(error).__name__, exc_info=error)
    if observer:
        observer.job_ended(job.name, monotonic() - began_at, succeeded=succeeded)
