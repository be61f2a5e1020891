"""The model of billing: docs/decisions/0033-billing-model.md.

Invoices that exist get what later ones are issued with: a billing profile from their frozen content, the period that they bill,
a settled receivable, the allocation of their payment, and entries in the ledger. The confirmed address of a purchase becomes a
version of its company's billing profile.
"""

from datetime import UTC, date, datetime, timedelta

import stdnum.fr.siren
from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.billing.billing_period import BillingItemKind
from models.billing.invoice import DocumentType, Series
from models.billing.ledger import Journal
from models.billing.payment import PaymentStatus
from models.billing.payment_method import PaymentKind, PaymentMethodStatus
from models.billing.periods import period, period_at
from models.billing.purchase import PurchaseStatus
from models.billing.purchase_change import PurchaseChangeKind
from models.billing.refund import RefundStatus
from models.billing.territory import Territory
from models.billing.tax_rule import TaxCategory, Treatment
from models.clock import local_date
from models.database.append_only import allow_changes, refuse_changes
from models.database.sql import dialect, execute
from models.database.table_changes import ChangeTable
from models.locale import Locale

_APPEND_ONLY = ('invoice', 'invoice_line', 'invoice_document', 'ledger_entry', 'ledger_line')
_MONTHS = {'MONTH': 1, 'YEAR': 12}
_OVERSEAS_FRANCE = {'971': 'GUADELOUPE', '972': 'MARTINIQUE', '973': 'GUYANE', '974': 'REUNION', '976': 'MAYOTTE'}
_EUROPEAN_UNION = ['AT', 'BE', 'BG', 'HR', 'CY', 'CZ', 'DK', 'EE', 'FI', 'DE', 'GR', 'HU', 'IE', 'IT', 'LV', 'LT', 'LU', 'MT', 'NL', 'PL', 'PT', 'RO', 'SK', 'SI', 'ES', 'SE']
_PROFILE_COLUMNS = (
    'legal_name', 'siren', 'siret', 'vat_number', 'territory', 'street', 'postal_code', 'city', 'country',
    'billing_street', 'billing_postal_code', 'billing_city', 'billing_country', 'order_number',
)


async def _insert(db, table, **values):
    names, places = ', '.join(f'"{name}"' for name in values), ', '.join('?' * len(values))
    rows = await execute(f'INSERT INTO {table} ({names}) VALUES ({places}) RETURNING *', *values.values(), db=db)  # noqa: S608
    return next(iter(rows[0].values()))  # the first column is the key


def _territory(country, postal_code):
    if country in ('FR', 'MC'):
        is_overseas = country == 'FR' and postal_code[:2] in ('97', '98') and not postal_code.startswith('980')
        return _OVERSEAS_FRANCE.get(postal_code[:3], 'OVERSEAS') if is_overseas else 'METROPOLITAN_FRANCE'
    return 'EUROPEAN_UNION' if country in _EUROPEAN_UNION else 'THIRD_COUNTRY'


class _Profiles:
    """Inserts each version of a company's billing profile once."""

    def __init__(self, db):
        self.db, self.keys, self.versions = db, {}, {}

    async def key(self, account_id, at, profile):
        values = tuple(profile.get(column) or None for column in _PROFILE_COLUMNS)
        if (account_id, values) not in self.keys:
            self.versions[account_id] = self.versions.get(account_id, 0) + 1
            columns = dict(zip(_PROFILE_COLUMNS, values, strict=True))
            for name in ('street', 'postal_code', 'city'):
                columns[name] = columns[name] or ''
            self.keys[account_id, values] = await _insert(
                self.db, 'billing_profile', account_id=account_id, version=self.versions[account_id], created_at=at, **columns
            )
        return self.keys[account_id, values]


async def _move_rows(apps, editor):
    db = editor.client
    moment = 'VARCHAR(10)' if dialect(db) == 'sqlite' else 'DATE'
    for statement in (
        f'CREATE TEMP TABLE moved_purchase (id BIGINT, billing_profile_id BIGINT, next_period_index INT, bills_on {moment})',
        'CREATE TEMP TABLE moved_invoice (id BIGINT, billing_profile_id BIGINT, locale VARCHAR(2))',
        f'CREATE TEMP TABLE moved_line (id BIGINT, unit VARCHAR(3), starts_on {moment}, ends_on {moment})',
    ):
        await execute(statement, db=db)
    profiles = _Profiles(db)
    anchors = await _move_purchases(db, profiles)
    await _move_invoices(db, profiles, anchors)
    for table in ('moved_purchase', 'moved_invoice', 'moved_line'):
        await execute(f'CREATE INDEX {table}_key ON {table} (id)', db=db)


async def _move_purchases(db, profiles):
    """The confirmed addresses. Returns for each purchase its anchor and the months of its interval."""
    anchors = {}
    rows = await execute(
        'SELECT purchase.*, price."interval", account.legal_name, account.siren, account.nic, account.vat_key, '
        'account.street AS registered_street, account.postal_code AS registered_postal_code, account.city AS registered_city, '
        'account.country AS registered_country, '
        '(SELECT COUNT(*) FROM invoice WHERE invoice.purchase_id = purchase.id) AS periods '
        'FROM purchase JOIN account ON account.id = purchase.account_id JOIN price ON price.id = purchase.price_id ORDER BY purchase.id',
        db=db,
    )
    for row in rows:
        months, anchor = _MONTHS[row['interval']], _day(row['anchor'])
        anchors[row['id']] = anchor, months
        is_active = row['status'] == 'ACTIVE' and anchor
        following = _next_period(anchor, months, row['periods']) if is_active else None
        await _insert(
            db, 'moved_purchase', id=row['id'], billing_profile_id=await _confirmed_profile(profiles, row),
            next_period_index=following.index if following else None,
            bills_on=_stored_day(db, following.start) if following else None,
        )
    return anchors


def _next_period(anchor, months, billed_count):
    """The first period that is billed: nobody promised to bill those that began before the upgrade."""
    following, today = period(anchor, months, billed_count), local_date(datetime.now(UTC))
    if following.start >= today:
        return following
    current = period_at(anchor, months, today)
    return current if current.start == today else period(anchor, months, current.index + 1)


async def _confirmed_profile(profiles, row):
    if row['status'] == 'DRAFT' or not row['city']:
        return None
    names = ('street', 'postal_code', 'city', 'country')
    billing = {name: row[name] for name in names}
    registered = {name: row[f'registered_{name}'] for name in names} if row['registered_city'] else billing
    profile = {
        **registered, 'legal_name': row['legal_name'], 'siren': row['siren'],
        'siret': f"{row['siren']}{row['nic']}" if row['nic'] else None, 'vat_number': _vat_number(row['siren'], row['vat_key']),
        'territory': _territory(registered['country'], registered['postal_code'] or ''), 'order_number': row['order_number'],
    }
    if registered != billing:
        profile |= {f'billing_{name}': value for name, value in billing.items()}
    return await profiles.key(row['account_id'], row['created_at'], profile)


def _vat_number(siren, vat_key):
    """As the account's was derived until now."""
    return f"FR{vat_key}{siren}" if vat_key else f"FR{stdnum.fr.siren.to_tva(siren).replace(' ', '')}"


async def _move_invoices(db, profiles, anchors):
    rows = await execute(
        'SELECT invoice.*, purchase.buyer_id, account.legal_name, account.siren, payment.provider_reference, payment.created_at AS paid_at, '
        '(SELECT "user".locale FROM "user" WHERE "user".id = purchase.buyer_id) AS locale '
        'FROM invoice JOIN purchase ON purchase.id = invoice.purchase_id JOIN account ON account.id = invoice.account_id '
        'JOIN payment ON payment.id = invoice.payment_id ORDER BY invoice.position',
        db=db,
    )
    for number, row in enumerate(rows, 1):
        facts = row['facts'] if isinstance(row['facts'], dict) else loads(row['facts'])
        await _insert(
            db, 'moved_invoice', id=row['id'], locale=row['locale'] or 'fr',
            billing_profile_id=await profiles.key(row['account_id'], row['issued_at'], _issued_profile(row, facts)),
        )
        anchor, months = anchors[row['purchase_id']]
        billed = period(anchor or _day(row['issued_on']), months, row['period_index'])
        billing_period = await _insert(
            db, 'billing_period', purchase_id=row['purchase_id'], index=billed.index, starts_on=_stored_day(db, billed.start),
            ends_on=_stored_day(db, billed.end), invoice_id=row['id'], created_at=row['issued_at'],
        )
        await _move_lines(db, row, facts.get('lines', []), billed, billing_period)
        await _settle(db, number, row)
    for journal in ('VE', 'BQ') if rows else ():
        await execute('INSERT INTO counter (series, last_position) VALUES (?, ?)', journal, len(rows), db=db)


def _issued_profile(row, facts):
    """The buyer as printed on an invoice."""
    buyer = facts.get('buyer') or {'name': row['legal_name'], 'siren': row['siren']}
    address = buyer.get('address') or {}
    country, postal_code = address.get('country') or 'FR', address.get('postcode') or ''
    return {
        'legal_name': buyer['name'], 'siren': buyer.get('siren'), 'siret': buyer.get('siret'), 'vat_number': buyer.get('vat_number'),
        'territory': _territory(country, postal_code), 'street': ', '.join(filter(None, address.get('lines', []))),
        'postal_code': postal_code, 'city': address.get('city'), 'country': country, 'order_number': facts.get('order_number'),
    }


async def _move_lines(db, invoice, lines, billed, billing_period):
    rows = await execute('SELECT id, position, quantity, unit_net_cents FROM invoice_line WHERE invoice_id = ? ORDER BY position', invoice['id'], db=db)
    for row in rows:
        line = lines[row['position'] - 1] if row['position'] <= len(lines) else {}
        starts_on, ends_on = _day(line.get('period_start')) or billed.start, _day(line.get('period_end'))
        days = {
            'starts_on': _stored_day(db, starts_on),
            'ends_on': _stored_day(db, ends_on + timedelta(days=1) if ends_on else billed.end),
        }
        await _insert(db, 'moved_line', id=row['id'], unit=line.get('unit') or 'C62', **days)
        await _insert(
            db, 'billing_item', account_id=invoice['account_id'], purchase_id=invoice['purchase_id'], billing_period_id=billing_period,
            kind='CYCLE', description_key='offer', data='{}', quantity=row['quantity'], unit_net_cents=row['unit_net_cents'],
            tax_category='STANDARD', created_at=invoice['issued_at'], invoice_line_id=row['id'], **days,
        )


async def _settle(db, number, invoice):
    account, gross = invoice['account_id'], invoice['gross_cents']
    await _insert(
        db, 'receivable', invoice_id=invoice['id'], account_id=account, due_on=invoice['due_on'], gross_cents=gross, open_cents=0,
        credited_cents=0, settled_at=invoice['issued_at'],
    )
    await _insert(
        db, 'allocation', account_id=account, invoice_id=invoice['id'], payment_id=invoice['payment_id'], amount_cents=gross,
        created_at=invoice['issued_at'],
    )
    sale = (('411000', gross, 0), ('706000', 0, invoice['net_cents']), ('445710', 0, invoice['vat_cents']))
    receipt = (('512000', gross, 0), ('411000', 0, gross))
    for journal, label_key, piece, reference, lines in (
        ('VE', 'invoice', invoice['number'], {'invoice_id': invoice['id']}, sale),
        ('BQ', 'payment', invoice['provider_reference'] or f"payment-{invoice['payment_id']}", {'payment_id': invoice['payment_id']}, receipt),
    ):
        entry = await _insert(
            db, 'ledger_entry', journal=journal, number=number, day=invoice['issued_on'], at=invoice['issued_at'], account_id=account,
            label_key=label_key, piece=piece, **reference,
        )
        for position, (code, debit, credit) in enumerate((line for line in lines if line[1] or line[2]), 1):
            await _insert(
                db, 'ledger_line', entry_id=entry, position=position, code=code, account_id=account if code == '411000' else None,
                debit_cents=debit, credit_cents=credit,
            )


def _day(value):
    return date.fromisoformat(value) if isinstance(value, str) else value


def _stored_day(db, day):
    return day.isoformat() if dialect(db) == 'sqlite' else day


async def _remove_counters(apps, editor):
    """The other rows are removed with their tables."""
    await execute("DELETE FROM counter WHERE series IN ('VE', 'BQ', 'OD')", db=editor.client)


async def _refuse_changes(apps, editor):
    db = editor.client
    for table in ('moved_purchase', 'moved_invoice', 'moved_line'):
        await execute(f'DROP TABLE {table}', db=db)
    if dialect(db) == 'sqlite' and (orphans := await execute('PRAGMA foreign_key_check', db=db)):
        raise ValueError(f'rows refer to missing ones: {orphans[:3]}')
    await refuse_changes(db, _APPEND_ONLY)


async def _allow_changes(apps, editor):
    await allow_changes(editor.client, _APPEND_ONLY)
    if dialect(editor.client) == 'postgres':
        await execute('DROP FUNCTION refuse_change()', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0027_plain_names')]

    initial = False

    operations = [
        ops.CreateModel(
            name='BillingProfile',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name='billing_profiles', on_delete=OnDelete.RESTRICT)),
                ('version', fields.IntField()),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('legal_name', fields.CharField(max_length=200)),
                ('siren', fields.CharField(null=True, max_length=9)),
                ('siret', fields.CharField(null=True, max_length=14)),
                ('registration_number', fields.CharField(null=True, max_length=50)),
                ('vat_number', fields.CharField(null=True, max_length=20)),
                ('vat_checked_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('vat_proof', fields.CharField(null=True, max_length=60)),
                ('territory', fields.CharEnumField(default=Territory.METROPOLITAN_FRANCE, description='territory of VAT', enum_type=Territory, max_length=20)),
                ('street', fields.CharField(max_length=200)),
                ('postal_code', fields.CharField(max_length=12)),
                ('city', fields.CharField(max_length=100)),
                ('country', fields.CharField(max_length=2)),
                ('billing_street', fields.CharField(null=True, max_length=200)),
                ('billing_postal_code', fields.CharField(null=True, max_length=12)),
                ('billing_city', fields.CharField(null=True, max_length=100)),
                ('billing_country', fields.CharField(null=True, max_length=2)),
                ('order_number', fields.CharField(null=True, max_length=50)),
            ],
            options={'table': 'billing_profile', 'app': 'models', 'unique_together': (('account', 'version'),), 'pk_attr': 'id', 'table_description': "One version of what an account's invoices say about the buyer. A change inserts another"},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PaymentMethod',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name='payment_methods', on_delete=OnDelete.RESTRICT)),
                ('provider', fields.CharField(max_length=20)),
                ('token', fields.CharField(max_length=255)),
                ('kind', fields.CharEnumField(default=PaymentKind.CARD, description='kind of means', enum_type=PaymentKind, max_length=20)),
                ('brand', fields.CharField(null=True, max_length=20)),
                ('last_four', fields.CharField(null=True, max_length=4)),
                ('expires_on', fields.DateField(null=True, db_index=True)),
                ('iban_last_four', fields.CharField(null=True, max_length=4)),
                ('mandate_reference', fields.CharField(null=True, max_length=35)),
                ('status', fields.CharEnumField(default=PaymentMethodStatus.PENDING, description='status', enum_type=PaymentMethodStatus, max_length=20)),
                ('is_default', fields.BooleanField(default=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('removed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'payment_method', 'app': 'models', 'indexes': [Index(fields=['account_id', 'status'])], 'pk_attr': 'id', 'table_description': 'A card, a mandate or a wallet that a provider keeps for an account. The token is the'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='TaxRule',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('territory', fields.CharEnumField(description='territory of VAT', enum_type=Territory, max_length=20)),
                ('category', fields.CharEnumField(description='category of VAT', enum_type=TaxCategory, max_length=20)),
                ('valid_since', fields.DateField()),
                ('rate', fields.IntField()),
                ('treatment', fields.CharEnumField(default=Treatment.STANDARD, description='treatment of VAT', enum_type=Treatment, max_length=20)),
                ('exemption_code', fields.CharField(null=True, max_length=30)),
                ('mention_key', fields.CharField(null=True, max_length=60)),
            ],
            options={'table': 'tax_rule', 'app': 'models', 'unique_together': (('territory', 'category', 'valid_since'),), 'pk_attr': 'id', 'table_description': 'The VAT of a category in a territory from a day on, until a later rule replaces it.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='BillingPeriod',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('purchase', fields.ForeignKeyField('models.Purchase', source_field='purchase_id', db_constraint=True, to_field='id', related_name='billing_periods', on_delete=OnDelete.RESTRICT)),
                ('index', fields.IntField()),
                ('starts_on', fields.DateField()),
                ('ends_on', fields.DateField()),
                ('invoice', fields.ForeignKeyField('models.Invoice', source_field='invoice_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='billing_periods', on_delete=OnDelete.RESTRICT)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'billing_period', 'app': 'models', 'unique_together': (('purchase', 'index'),), 'pk_attr': 'id', 'table_description': 'One period of a purchase, from `starts_on` up to but excluding `ends_on`.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='BillingItem',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name='billing_items', on_delete=OnDelete.RESTRICT)),
                ('purchase', fields.ForeignKeyField('models.Purchase', source_field='purchase_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='billing_items', on_delete=OnDelete.RESTRICT)),
                ('billing_period', fields.ForeignKeyField('models.BillingPeriod', source_field='billing_period_id', null=True, db_constraint=True, to_field='id', related_name='billing_items', on_delete=OnDelete.RESTRICT)),
                ('kind', fields.CharEnumField(description='kind', enum_type=BillingItemKind, max_length=20)),
                ('description_key', fields.CharField(max_length=60)),
                ('data', fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ('quantity', fields.IntField()),
                ('unit_net_cents', fields.BigIntField()),
                ('tax_category', fields.CharEnumField(default=TaxCategory.STANDARD, description='category of VAT', enum_type=TaxCategory, max_length=20)),
                ('starts_on', fields.DateField(null=True)),
                ('ends_on', fields.DateField(null=True)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('invoice_line', fields.ForeignKeyField('models.InvoiceLine', source_field='invoice_line_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='billing_items', on_delete=OnDelete.RESTRICT)),
            ],
            options={'table': 'billing_item', 'app': 'models', 'indexes': [Index(fields=['account_id', 'invoice_line_id'])], 'pk_attr': 'id', 'table_description': 'Something to bill: it waits for an invoice until `invoice_line` is set.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PurchaseChange',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('purchase', fields.ForeignKeyField('models.Purchase', source_field='purchase_id', db_index=True, db_constraint=True, to_field='id', related_name='changes', on_delete=OnDelete.RESTRICT)),
                ('kind', fields.CharEnumField(description='kind', enum_type=PurchaseChangeKind, max_length=20)),
                ('price', fields.ForeignKeyField('models.Price', source_field='price_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('quantity', fields.IntField(null=True)),
                ('anchor', fields.DateField(null=True)),
                ('effective_on', fields.DateField()),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('applied_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('canceled_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'purchase_change', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A change of a purchase, pending until it is applied or canceled. A purchase has at most one'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Receivable',
            fields=[
                ('invoice', fields.OneToOneField('models.Invoice', source_field='invoice_id', primary_key=True, db_index=True, db_constraint=True, to_field='id', related_name='receivable', on_delete=OnDelete.RESTRICT)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name='receivables', on_delete=OnDelete.RESTRICT)),
                ('due_on', fields.DateField()),
                ('gross_cents', fields.BigIntField()),
                ('open_cents', fields.BigIntField()),
                ('credited_cents', fields.BigIntField(default=0)),
                ('disputed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('settled_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('next_dunning_on', fields.DateField(null=True, db_index=True)),
            ],
            options={'table': 'receivable', 'app': 'models', 'indexes': [Index(fields=['account_id', 'open_cents'])], 'pk_attr': 'invoice_id', 'table_description': 'The amount that is open on an invoice, which itself never changes: `gross_cents` minus the'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Allocation',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_index=True, db_constraint=True, to_field='id', related_name='allocations', on_delete=OnDelete.RESTRICT)),
                ('invoice', fields.ForeignKeyField('models.Invoice', source_field='invoice_id', db_index=True, db_constraint=True, to_field='id', related_name='allocations', on_delete=OnDelete.RESTRICT)),
                ('payment', fields.ForeignKeyField('models.Payment', source_field='payment_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='allocations', on_delete=OnDelete.RESTRICT)),
                ('credit_note', fields.ForeignKeyField('models.Invoice', source_field='credit_note_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='credit_allocations', on_delete=OnDelete.RESTRICT)),
                ('amount_cents', fields.BigIntField()),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'allocation', 'app': 'models', 'pk_attr': 'id', 'table_description': 'An amount of a payment or of a credit note that settles a part of an invoice. A negative'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Refund',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', db_index=True, db_constraint=True, to_field='id', related_name='refunds', on_delete=OnDelete.RESTRICT)),
                ('payment', fields.ForeignKeyField('models.Payment', source_field='payment_id', db_index=True, db_constraint=True, to_field='id', related_name='refunds', on_delete=OnDelete.RESTRICT)),
                ('credit_note', fields.ForeignKeyField('models.Invoice', source_field='credit_note_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='refunds', on_delete=OnDelete.RESTRICT)),
                ('amount_cents', fields.BigIntField()),
                ('status', fields.CharEnumField(default=RefundStatus.PENDING, description='status', enum_type=RefundStatus, max_length=20)),
                ('provider_reference', fields.CharField(null=True, max_length=255)),
                ('failure_code', fields.CharField(null=True, max_length=60)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('settled_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'refund', 'app': 'models', 'indexes': [Index(fields=['status', 'created_at'])], 'pk_attr': 'id', 'table_description': "One refund of a payment, for a credit note. The sum of a payment's refunds never exceeds"},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('journal', fields.CharEnumField(description='journal', enum_type=Journal, max_length=2)),
                ('number', fields.BigIntField()),
                ('day', fields.DateField(db_index=True)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='ledger_entries', on_delete=OnDelete.RESTRICT)),
                ('label_key', fields.CharField(max_length=60)),
                ('piece', fields.CharField(max_length=64)),
                ('invoice', fields.ForeignKeyField('models.Invoice', source_field='invoice_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='ledger_entries', on_delete=OnDelete.RESTRICT)),
                ('payment', fields.ForeignKeyField('models.Payment', source_field='payment_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='ledger_entries', on_delete=OnDelete.RESTRICT)),
                ('refund', fields.ForeignKeyField('models.Refund', source_field='refund_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='ledger_entries', on_delete=OnDelete.RESTRICT)),
            ],
            options={'table': 'ledger_entry', 'app': 'models', 'unique_together': (('journal', 'number'),), 'pk_attr': 'id', 'table_description': 'One entry of a journal. Its lines balance. `number` has no gaps within a journal.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='LedgerLine',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('entry', fields.ForeignKeyField('models.LedgerEntry', source_field='entry_id', db_constraint=True, to_field='id', related_name='lines', on_delete=OnDelete.RESTRICT)),
                ('position', fields.IntField()),
                ('code', fields.CharField(max_length=8)),
                ('account', fields.ForeignKeyField('models.Account', source_field='account_id', null=True, db_constraint=True, to_field='id', related_name='ledger_lines', on_delete=OnDelete.RESTRICT)),
                ('debit_cents', fields.BigIntField(default=0)),
                ('credit_cents', fields.BigIntField(default=0)),
            ],
            options={'table': 'ledger_line', 'app': 'models', 'unique_together': (('entry', 'position'),), 'indexes': [Index(fields=['account_id', 'code'])], 'pk_attr': 'id', 'table_description': 'One line of an entry. `code` is an account of the French chart of accounts (PCG), and'},
            bases=['Model'],
        ),
        ops.RunPython(_move_rows, _remove_counters),
        ChangeTable(
            'InvoiceDocument',
            set_fields={
                'invoice': fields.OneToOneField('models.Invoice', source_field='invoice_id', primary_key=True, db_index=True, db_constraint=True, to_field='id', related_name='document', on_delete=OnDelete.RESTRICT),
                'created_at': fields.DatetimeField(auto_now=False, auto_now_add=False),
                'sha256': fields.CharField(max_length=64),
            },
            fill={
                'sha256': '(SELECT invoice.sha256 FROM invoice WHERE invoice.id = invoice_document.invoice_id)',
                'created_at': '(SELECT invoice.issued_at FROM invoice WHERE invoice.id = invoice_document.invoice_id)',
            },
        ),
        ChangeTable(
            'InvoiceLine',
            set_fields={
                'invoice': fields.ForeignKeyField('models.Invoice', source_field='invoice_id', db_constraint=True, to_field='id', related_name='lines', on_delete=OnDelete.RESTRICT),
                'ends_on': fields.DateField(null=True),
                'starts_on': fields.DateField(null=True),
                'tax_category': fields.CharEnumField(default=TaxCategory.STANDARD, description='category of VAT', enum_type=TaxCategory, max_length=20),
                'treatment': fields.CharEnumField(default=Treatment.STANDARD, description='treatment of VAT', enum_type=Treatment, max_length=20),
                'unit': fields.CharField(default='C62', max_length=3),
            },
            fill={
                'unit': '(SELECT moved.unit FROM moved_line moved WHERE moved.id = invoice_line.id)',
                'starts_on': '(SELECT moved.starts_on FROM moved_line moved WHERE moved.id = invoice_line.id)',
                'ends_on': '(SELECT moved.ends_on FROM moved_line moved WHERE moved.id = invoice_line.id)',
            },
        ),
        ChangeTable(
            'Invoice',
            set_fields={
                'account': fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name='invoices', on_delete=OnDelete.RESTRICT),
                'purchase': fields.ForeignKeyField('models.Purchase', source_field='purchase_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='invoices', on_delete=OnDelete.RESTRICT),
                'series': fields.CharEnumField(default=Series.INVOICE, description='prefix of the numbers', enum_type=Series, max_length=8),
                'billing_profile': fields.ForeignKeyField('models.BillingProfile', source_field='billing_profile_id', db_index=True, db_constraint=True, to_field='id', related_name='invoices', on_delete=OnDelete.RESTRICT),
                'currency': fields.CharField(default='EUR', max_length=3),
                'locale': fields.CharEnumField(default=Locale.FR, description='FR: fr\nEN: en', enum_type=Locale, max_length=2),
                'original': fields.ForeignKeyField('models.Invoice', source_field='original_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='corrections', on_delete=OnDelete.RESTRICT),
                'reference': fields.CharField(null=True, unique=True, max_length=25),
                'treatment': fields.CharEnumField(default=Treatment.STANDARD, description='treatment of VAT', enum_type=Treatment, max_length=20),
                'type': fields.IntEnumField(default=DocumentType.INVOICE, description='UNTDID 1001', enum_type=DocumentType, generated=False),
                'xml': fields.BinaryField(null=True),
            },
            remove=('payment', 'offer', 'period_index', 'sha256'),
            options={'unique_together': (('series', 'position'),)},
            fill={
                'billing_profile_id': '(SELECT moved.billing_profile_id FROM moved_invoice moved WHERE moved.id = invoice.id)',
                'locale': '(SELECT moved.locale FROM moved_invoice moved WHERE moved.id = invoice.id)',
            },
            fill_backward={
                'payment_id': '(SELECT MIN(allocation.payment_id) FROM allocation WHERE allocation.invoice_id = invoice.id)',
                'offer_id': '(SELECT price.offer_id FROM purchase JOIN price ON price.id = purchase.price_id WHERE purchase.id = invoice.purchase_id)',
                'period_index': '(SELECT MIN(billing_period."index") FROM billing_period WHERE billing_period.invoice_id = invoice.id)',
                'sha256': '(SELECT invoice_document.sha256 FROM invoice_document WHERE invoice_document.invoice_id = invoice.id)',
            },
        ),
        ChangeTable(
            'Purchase',
            set_fields={
                'account': fields.ForeignKeyField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name='purchases', on_delete=OnDelete.RESTRICT),
                'price': fields.ForeignKeyField('models.Price', source_field='price_id', db_constraint=True, to_field='id', related_name='purchases', on_delete=OnDelete.RESTRICT),
                'status': fields.CharEnumField(default=PurchaseStatus.DRAFT, description='status', enum_type=PurchaseStatus, max_length=20),
                'billing_profile': fields.ForeignKeyField('models.BillingProfile', source_field='billing_profile_id', null=True, db_constraint=True, to_field='id', related_name='purchases', on_delete=OnDelete.RESTRICT),
                'bills_on': fields.DateField(null=True),
                'cancel_at_period_end': fields.BooleanField(default=False),
                'canceled_at': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                'ended_on': fields.DateField(null=True),
                'expires_at': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                'next_period_index': fields.IntField(null=True),
                'past_due_since': fields.DateField(null=True),
                'paused_at': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                'payment_method': fields.ForeignKeyField('models.PaymentMethod', source_field='payment_method_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='purchases', on_delete=OnDelete.RESTRICT),
                'quantity': fields.IntField(default=1),
                'resumes_on': fields.DateField(null=True),
                'suspended_at': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                'trial_ends_on': fields.DateField(null=True),
                'cancel_reason': fields.CharField(null=True, max_length=200),
            },
            remove=('street', 'postal_code', 'city', 'country', 'order_number'),
            options={'indexes': [Index(fields=['account_id', 'created_at']), Index(fields=['status', 'bills_on'])]},
            fill={
                'billing_profile_id': '(SELECT moved.billing_profile_id FROM moved_purchase moved WHERE moved.id = purchase.id)',
                'next_period_index': '(SELECT moved.next_period_index FROM moved_purchase moved WHERE moved.id = purchase.id)',
                'bills_on': '(SELECT moved.bills_on FROM moved_purchase moved WHERE moved.id = purchase.id)',
            },
            fill_backward={
                'street': '(SELECT COALESCE(profile.billing_street, profile.street) FROM billing_profile profile WHERE profile.id = purchase.billing_profile_id)',
                'postal_code': '(SELECT COALESCE(profile.billing_postal_code, profile.postal_code) FROM billing_profile profile WHERE profile.id = purchase.billing_profile_id)',
                'city': '(SELECT COALESCE(profile.billing_city, profile.city) FROM billing_profile profile WHERE profile.id = purchase.billing_profile_id)',
                'country': '(SELECT COALESCE(profile.billing_country, profile.country) FROM billing_profile profile WHERE profile.id = purchase.billing_profile_id)',
                'order_number': '(SELECT profile.order_number FROM billing_profile profile WHERE profile.id = purchase.billing_profile_id)',
            },
        ),
        ChangeTable(
            'Payment',
            set_fields={
                'account': fields.ForeignKeyField('models.Account', source_field='account_id', db_index=True, db_constraint=True, to_field='id', related_name='payments', on_delete=OnDelete.RESTRICT),
                'purchase': fields.ForeignKeyField('models.Purchase', source_field='purchase_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='payments', on_delete=OnDelete.RESTRICT),
                'status': fields.CharEnumField(default=PaymentStatus.PROCESSING, description='status', enum_type=PaymentStatus, max_length=16),
                'attempt': fields.IntField(default=1),
                'expires_at': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                'invoice': fields.ForeignKeyField('models.Invoice', source_field='invoice_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='payments', on_delete=OnDelete.RESTRICT),
                'is_off_session': fields.BooleanField(default=False),
                'kind': fields.CharEnumField(default=PaymentKind.CARD, description='kind of means', enum_type=PaymentKind, max_length=20),
                'payment_method': fields.ForeignKeyField('models.PaymentMethod', source_field='payment_method_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name='payments', on_delete=OnDelete.RESTRICT),
                'refunded_cents': fields.BigIntField(default=0),
            },
        ),
        ChangeTable(
            'Price',
            set_fields={
                'offer': fields.ForeignKeyField('models.Offer', source_field='offer_id', db_constraint=True, to_field='id', related_name='prices', on_delete=OnDelete.RESTRICT),
                'currency': fields.CharField(default='EUR', max_length=3),
                'tax_category': fields.CharEnumField(default=TaxCategory.STANDARD, description='category of VAT', enum_type=TaxCategory, max_length=20),
                'trial_days': fields.IntField(default=0),
            },
        ),
        ChangeTable(
            'Counter',
            set_fields={
                'last_issued_at': fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
            },
            fill={
                'last_issued_at': '(SELECT MAX(invoice.issued_at) FROM invoice WHERE invoice.series = counter.series)',
            },
        ),
        ChangeTable(
            'SandboxCharge',
            set_fields={
                'status': fields.CharEnumField(description='status', enum_type=PaymentStatus, max_length=16),
            },
        ),
        ops.RunPython(_refuse_changes, _allow_changes),
    ]
