from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0082_incident_notices')]

    initial = False

    operations = [
        ops.AlterModelOptions(
            name='Account',
            options={'table': 'account', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A company or an association that is a customer.'},
        ),
        ops.AlterModelOptions(
            name='AgentProfile',
            options={'table': 'agent_profile', 'app': 'models', 'pk_attr': 'id', 'table_description': 'What an agent can take on: the categories of tickets that they have the skills for (empty for'},
        ),
        ops.AlterModelOptions(
            name='Article',
            options={'table': 'article', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One article in every language, as readers see it: `texts` are those of `published_version`,'},
        ),
        ops.AlterModelOptions(
            name='ArticleVersion',
            options={'table': 'article_version', 'app': 'models', 'unique_together': (('article', 'number'),), 'pk_attr': 'id', 'table_description': "One version of an article's texts. `editor` is null for a version that came with the"},
        ),
        ops.AlterModelOptions(
            name='AuditChain',
            options={'table': 'audit_chain', 'app': 'models', 'pk_attr': 'id', 'table_description': 'Both ends of the chain, in a single row: the number and hash of the last expired entry, and'},
        ),
        ops.AlterModelOptions(
            name='AuditEntry',
            options={'table': 'audit_entry', 'app': 'models', 'indexes': [Index(fields=['account_id', 'id']), Index(fields=['actor_id', 'id']), Index(fields=['action', 'id']), Index(fields=['object_type', 'object_id'])], 'pk_attr': 'id', 'table_description': 'One audited action. Its key is its number in the chain, without gaps. It has no foreign keys,'},
        ),
        ops.AlterModelOptions(
            name='Authenticator',
            options={'table': 'authenticator', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One authenticator of a user. It can be used once it is confirmed.'},
        ),
        ops.AlterModelOptions(
            name='Automation',
            options={'table': 'automation', 'app': 'models', 'pk_attr': 'id', 'table_description': 'An automation. It acts while it is enabled, on events from `enabled_at` on. Automations with'},
        ),
        ops.AlterModelOptions(
            name='AutomationCursor',
            options={'table': 'automation_cursor', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The last event of its stream up to which automations have handled a ticket.'},
        ),
        ops.AlterModelOptions(
            name='AutomationRun',
            options={'table': 'automation_run', 'app': 'models', 'unique_together': (('ticket', 'automation', 'root'),), 'indexes': [Index(fields=['automation_id', 'id'])], 'pk_attr': 'id', 'table_description': 'A run of an automation on a ticket. When it was refused, `refusals` says which of its actions'},
        ),
        ops.AlterModelOptions(
            name='AutomationScan',
            options={'table': 'automation_scan', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The time from which the job searches for changed tickets, in a single row.'},
        ),
        ops.AlterModelOptions(
            name='AutomationTimer',
            options={'table': 'automation_timer', 'app': 'models', 'unique_together': (('ticket', 'automation', 'root', 'sequence'),), 'pk_attr': 'id', 'table_description': 'An event for which an automation acts at `due_at`, if nothing has made it obsolete. After a'},
        ),
        ops.AlterModelOptions(
            name='AutomationVersion',
            options={'table': 'automation_version', 'app': 'models', 'unique_together': (('automation', 'number'),), 'pk_attr': 'id', 'table_description': 'The content of an automation. The conditions have the accepted values by name, and leave out'},
        ),
        ops.AlterModelOptions(
            name='BillingPeriod',
            options={'table': 'billing_period', 'app': 'models', 'unique_together': (('purchase', 'index'),), 'pk_attr': 'id', 'table_description': 'One period of a purchase, from `starts_on` up to, but not including, `ends_on`.'},
        ),
        ops.AlterModelOptions(
            name='BillingProfile',
            options={'table': 'billing_profile', 'app': 'models', 'unique_together': (('account', 'version'),), 'pk_attr': 'id', 'table_description': "One version of what an account's invoices say about the buyer. A change inserts a new"},
        ),
        ops.AlterModelOptions(
            name='ClockOffset',
            options={'table': 'clock_offset', 'app': 'models', 'pk_attr': 'id', 'table_description': "The seconds by which the demonstration's clock is ahead, in a single row."},
        ),
        ops.AlterModelOptions(
            name='Closure',
            options={'table': 'closure', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A time during which a calendar is closed although its weekly hours say otherwise.'},
        ),
        ops.AlterModelOptions(
            name='Counter',
            options={'table': 'counter', 'app': 'models', 'pk_attr': 'series', 'table_description': 'The last number used in a series of invoices or in a journal of the ledger, and when the'},
        ),
        ops.AlterModelOptions(
            name='DocumentRequest',
            options={'table': 'document_request', 'app': 'models', 'pk_attr': 'invoice_id', 'table_description': 'A document that is still to be made and sent: inserted with the invoice, and deleted in the'},
        ),
        ops.AlterModelOptions(
            name='Email',
            options={'table': 'email', 'app': 'models', 'indexes': [Index(fields=['sent_at', 'id']), Index(fields=['priority', 'next_attempt_at', 'id'])], 'pk_attr': 'id', 'table_description': 'One email of the outbox. attempts counts the delivery attempts, next_attempt_at is None once'},
        ),
        ops.AlterModelOptions(
            name='EmailChange',
            options={'table': 'email_change', 'app': 'models', 'pk_attr': 'id', 'table_description': "A user's request for another email address, of which there is one at a time. It is deleted"},
        ),
        ops.AlterModelOptions(
            name='Erasure',
            options={'table': 'erasure', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One scheduled deletion of an account. removed_counts holds how many items were'},
        ),
        ops.AlterModelOptions(
            name='Event',
            options={'table': 'event', 'app': 'models', 'unique_together': (('stream', 'sequence'),), 'pk_attr': 'id', 'table_description': 'One event of one stream, with the rows it is about.'},
        ),
        ops.AlterModelOptions(
            name='File',
            options={'table': 'file', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The metadata of a file. Its content is in the store under `key` from uploaded_at until'},
        ),
        ops.AlterModelOptions(
            name='IdempotencyKey',
            options={'table': 'idempotency_key', 'app': 'models', 'unique_together': (('owner', 'operation', 'key'),), 'pk_attr': 'id', 'table_description': 'A key that a client sent with a request that creates something, and what the request'},
        ),
        ops.AlterModelOptions(
            name='Installation',
            options={'table': 'installation', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The single row of an installation. key_fingerprint identifies its secret key,'},
        ),
        ops.AlterModelOptions(
            name='Invitation',
            options={'table': 'invitation', 'app': 'models', 'pk_attr': 'id', 'table_description': 'An invitation of an email address. The most recent email contains its token, the row only the'},
        ),
        ops.AlterModelOptions(
            name='Invoice',
            options={'table': 'invoice', 'app': 'models', 'unique_together': (('series', 'position'),), 'indexes': [Index(fields=['account_id', 'issued_at'])], 'pk_attr': 'id', 'table_description': 'An issued invoice, corrective invoice or credit note. The database refuses to change or'},
        ),
        ops.AlterModelOptions(
            name='InvoiceDocument',
            options={'table': 'invoice_document', 'app': 'models', 'pk_attr': 'invoice_id', 'table_description': 'The PDF of an invoice and its SHA-256, made once after the invoice was issued and never'},
        ),
        ops.AlterModelOptions(
            name='InvoiceLine',
            options={'table': 'invoice_line', 'app': 'models', 'unique_together': (('invoice', 'position'),), 'pk_attr': 'id', 'table_description': 'One line of an issued invoice, which never changes either. A credit has a negative quantity.'},
        ),
        ops.AlterModelOptions(
            name='InvoiceRecipient',
            options={'table': 'invoice_recipient', 'app': 'models', 'unique_together': (('account', 'email'),), 'pk_attr': 'id', 'table_description': 'An address that a member added, which receives invoices once its owner has confirmed.'},
        ),
        ops.AlterModelOptions(
            name='LegalNameChange',
            options={'table': 'legal_name_change', 'app': 'models', 'indexes': [Index(fields=['status', 'updated_at'])], 'pk_attr': 'id', 'table_description': 'A request for another legal name. An account has at most one that is undecided, because'},
        ),
        ops.AlterModelOptions(
            name='Macro',
            options={'table': 'macro', 'app': 'models', 'unique_together': (('scope', 'name'),), 'pk_attr': 'id', 'table_description': 'A named set of actions, which belongs to its `owner`, to a `team` or to all agents. `scope`'},
        ),
        ops.AlterModelOptions(
            name='MacroUse',
            options={'table': 'macro_use', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One application of a macro to a ticket, with what it did and the rows that it created.'},
        ),
        ops.AlterModelOptions(
            name='Membership',
            options={'table': 'membership', 'app': 'models', 'unique_together': (('user', 'account'),), 'pk_attr': 'id', 'table_description': "A user's membership in an account, with a role."},
        ),
        ops.AlterModelOptions(
            name='Mention',
            options={'table': 'mention', 'app': 'models', 'unique_together': (('note', 'user'),), 'indexes': [Index(fields=['user_id', 'seen_at'])], 'pk_attr': 'id', 'table_description': 'An agent who is mentioned in a note, and when they first saw it.'},
        ),
        ops.AlterModelOptions(
            name='Message',
            options={'table': 'message', 'app': 'models', 'unique_together': (('origin', 'author', 'client_message_id'), ('ticket', 'sequence')), 'pk_attr': 'id', 'table_description': "A message in a ticket. `sequence` is its number in the ticket's stream, `origin` the ticket"},
        ),
        ops.AlterModelOptions(
            name='Offer',
            options={'table': 'offer', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A subscription offer, described in every language (`texts` by locale).'},
        ),
        ops.AlterModelOptions(
            name='OfferTrial',
            options={'table': 'offer_trial', 'app': 'models', 'unique_together': (('offer', 'company'),), 'pk_attr': 'id', 'table_description': 'The trial of an offer by a company, identified by a hash (models/billing/company.py). The'},
        ),
        ops.AlterModelOptions(
            name='PasswordReset',
            options={'table': 'password_reset', 'app': 'models', 'pk_attr': 'id', 'table_description': "A link to set a new password. A user's rows are deleted when one of them is used, and when"},
        ),
        ops.AlterModelOptions(
            name='Payment',
            options={'table': 'payment', 'app': 'models', 'indexes': [Index(fields=['status', 'created_at'])], 'pk_attr': 'id', 'table_description': 'One attempt to pay, by card or by any other means. Only the brand and the last four digits of'},
        ),
        ops.AlterModelOptions(
            name='PhoneNumber',
            options={'table': 'phone_number', 'app': 'models', 'unique_together': (('user', 'number'), ('account', 'number')), 'pk_attr': 'id', 'table_description': 'The phone number of a person or of a company: either `user` or `account` is set.'},
        ),
        ops.AlterModelOptions(
            name='PlatformCursor',
            options={'table': 'platform_cursor', 'app': 'models', 'pk_attr': 'platform', 'table_description': 'How far the statuses of a platform were read: the time of the last flow. One process reads at'},
        ),
        ops.AlterModelOptions(
            name='Policy',
            options={'table': 'policy', 'app': 'models', 'unique_together': (('kind', 'version'),), 'pk_attr': 'id', 'table_description': 'One version of a policy, in every language, in force from a day in Europe/Paris until the'},
        ),
        ops.AlterModelOptions(
            name='PolicyAcceptance',
            options={'table': 'policy_acceptance', 'app': 'models', 'unique_together': (('user', 'policy'),), 'pk_attr': 'id', 'table_description': "A user's acceptance of one version: when, in which language it was read, and where. Rows are"},
        ),
        ops.AlterModelOptions(
            name='Price',
            options={'table': 'price', 'app': 'models', 'indexes': [Index(fields=['offer_id', 'interval'])], 'pk_attr': 'id', 'table_description': 'One version of a price. A new version ends the previous one; purchases keep the version they'},
        ),
        ops.AlterModelOptions(
            name='Purchase',
            options={'table': 'purchase', 'app': 'models', 'indexes': [Index(fields=['account_id', 'created_at']), Index(fields=['status', 'bills_on'])], 'pk_attr': 'id', 'table_description': 'An offer that an account bought, in a quantity, at the price version with which the purchase'},
        ),
        ops.AlterModelOptions(
            name='Receivable',
            options={'table': 'receivable', 'app': 'models', 'indexes': [Index(fields=['account_id', 'open_cents'])], 'pk_attr': 'invoice_id', 'table_description': 'The amount that is open on an invoice, which itself never changes: `gross_cents` minus the'},
        ),
        ops.AlterModelOptions(
            name='RecoveryCode',
            options={'table': 'recovery_code', 'app': 'models', 'unique_together': (('user', 'code_hash'),), 'pk_attr': 'id', 'table_description': 'A single-use code that replaces a lost authenticator, stored as a SHA-256 of 120 random'},
        ),
        ops.AlterModelOptions(
            name='RefreshToken',
            options={'table': 'refresh_token', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One refresh token of a session. A second use ends the session, because the token has been'},
        ),
        ops.AlterModelOptions(
            name='Refund',
            options={'table': 'refund', 'app': 'models', 'indexes': [Index(fields=['status', 'created_at'])], 'pk_attr': 'id', 'table_description': "One refund of a payment, for a credit note. The sum of a payment's refunds never exceeds it."},
        ),
        ops.AlterModelOptions(
            name='SandboxCharge',
            options={'table': 'sandbox_charge', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A charge. `settles_at` is when a charge that is processed gets its final status.'},
        ),
        ops.AlterModelOptions(
            name='SandboxRefund',
            options={'table': 'sandbox_refund', 'app': 'models', 'pk_attr': 'id', 'table_description': "A refund of a charge. `fails_at` is when the customer's bank returns a refund that"},
        ),
        ops.AlterModelOptions(
            name='ScheduledReply',
            options={'table': 'scheduled_reply', 'app': 'models', 'indexes': [Index(fields=['ticket_id', 'state']), Index(fields=['state', 'send_at'])], 'pk_attr': 'id', 'table_description': 'A scheduled reply. `send_at` is when it is posted. If `at_next_opening`, that is derived from'},
        ),
        ops.AlterModelOptions(
            name='SearchEntry',
            options={'table': 'search_entry', 'app': 'models', 'pk_attr': 'id', 'table_description': "The stems of a ticket's subject, of a message or of a note. Those of notes are `internal`, so"},
        ),
        ops.AlterModelOptions(
            name='Session',
            options={'table': 'session', 'app': 'models', 'indexes': [Index(fields=['switched_to_id'])], 'pk_attr': 'id', 'table_description': 'A sign-in on one device. It ends by signing out, when it expires, or when a refresh token is'},
        ),
        ops.AlterModelOptions(
            name='SignInUnlock',
            options={'table': 'sign_in_unlock', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A link that unlocks sign-in after failed attempts by others. It is deleted when the user'},
        ),
        ops.AlterModelOptions(
            name='SlaClock',
            options={'table': 'sla_clock', 'app': 'models', 'indexes': [Index(fields=['ticket_id', 'state']), Index(fields=['state', 'due_at'])], 'pk_attr': 'id', 'table_description': 'One measure of one ticket. `due_at` is when the target is missed, null while the clock'},
        ),
        ops.AlterModelOptions(
            name='Stream',
            options={'table': 'stream', 'app': 'models', 'pk_attr': 'key', 'table_description': 'The head of one stream: its key and the number of its last event.'},
        ),
        ops.AlterModelOptions(
            name='Ticket',
            options={'table': 'ticket', 'app': 'models', 'indexes': [Index(fields=['account_id', 'updated_at']), Index(fields=['status', 'updated_at']), Index(fields=['assignee_id', 'updated_at']), Index(fields=['team_id', 'updated_at'])], 'pk_attr': 'id', 'table_description': "An account's request for help, through any channel."},
        ),
        ops.AlterModelOptions(
            name='TicketMerge',
            options={'table': 'ticket_merge', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The merge of `ticket` into `target`. `before` has the former values of what the merge changed'},
        ),
        ops.AlterModelOptions(
            name='TicketRating',
            options={'table': 'ticket_rating', 'app': 'models', 'pk_attr': 'id', 'table_description': "The rating of a ticket. Without a `score` the ticket hasn't been rated."},
        ),
        ops.AlterModelOptions(
            name='User',
            options={'table': 'user', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A person who can sign in. Secrets are stored hashed (password, recovery codes) or encrypted'},
        ),
        ops.AlterModelOptions(
            name='VatCheck',
            options={'table': 'vat_check', 'app': 'models', 'pk_attr': 'id', 'table_description': "What the tax authorities answered about an account's VAT number. One row per account: another"},
        ),
        ops.AlterModelOptions(
            name='WebauthnChallenge',
            options={'table': 'webauthn_challenge', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A WebAuthn challenge: stored as a hash, valid for one answer, for some minutes and for one'},
        ),
        ops.AlterModelOptions(
            name='WebinarSignUp',
            options={'table': 'webinar_sign_up', 'app': 'models', 'unique_together': (('article', 'user'),), 'pk_attr': 'id', 'table_description': "One person's place in a webinar, or on its waiting list, which is ordered by `id`."},
        ),
    ]
