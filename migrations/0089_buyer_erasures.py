"""Runs that remove the buyers from invoices whose ten years are over, tombstones of these invoices, and
triggers that let nothing but the buyer go, for an invoice with a tombstone only.

The triggers of `invoice`, `invoice_document` and `platform_status` are replaced. The former release changes none
of their rows, so it notices nothing.
"""

from models.database.append_only import allow_changes, refuse_changes
from models.database.sql import dialect, execute
from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields

_TABLES = ('invoice', 'invoice_document', 'platform_status')
_KEPT = (
    'id', 'type', 'series', 'position', 'number', 'account_id', 'billing_profile_id', 'purchase_id', 'original_id',
    'issued_at', 'issued_on', 'due_on', 'net_cents', 'vat_cents', 'gross_cents', 'currency', 'treatment', 'reference',
    'locale',
)
_KEPT_STATUS = ('id', 'delivery_id', 'flow_id', 'status', 'at', 'reason_code', 'stored_at')
_KEPT_FACTS = ('number', 'issued_on', 'due_on', 'seller', 'lines', 'totals', 'originals', 'paid_cents')
_MARK = '[effacé]'
_ERASED = 'EXISTS (SELECT 1 FROM invoice_tombstone t WHERE t.invoice_id = {})'
_STATUS_ERASED = (
    'EXISTS (SELECT 1 FROM invoice_tombstone t JOIN invoice_delivery d ON d.invoice_id = t.invoice_id '
    'WHERE d.id = OLD.delivery_id)'
)


def _sqlite():
    """The triggers of SQLite."""
    same = ' AND '.join(f'NEW.{name} IS OLD.{name}' for name in _KEPT)
    same_facts = ' AND '.join(
        f"json_extract(NEW.facts, '$.{name}') IS json_extract(OLD.facts, '$.{name}')" for name in _KEPT_FACTS
    )
    same_status = ' AND '.join(f'NEW.{name} IS OLD.{name}' for name in _KEPT_STATUS)
    abort = "BEGIN SELECT RAISE(ABORT, '{} is append-only'); END".format
    return (
        f"CREATE TRIGGER invoice_unchanged BEFORE UPDATE ON invoice WHEN NOT (NEW.xml IS NULL AND {same} AND {same_facts} "
        f"AND json_extract(NEW.facts, '$.buyer.name') IS '{_MARK}' AND json_extract(OLD.facts, '$.buyer.name') IS NOT '{_MARK}' "
        f"AND {_ERASED.format('OLD.id')}) {abort('invoice')}",
        f'CREATE TRIGGER invoice_kept BEFORE DELETE ON invoice {abort("invoice")}',
        f'CREATE TRIGGER invoice_document_unchanged BEFORE UPDATE ON invoice_document {abort("invoice_document")}',
        f'CREATE TRIGGER invoice_document_kept BEFORE DELETE ON invoice_document WHEN NOT {_ERASED.format("OLD.invoice_id")} '
        f'{abort("invoice_document")}',
        f'CREATE TRIGGER invoice_document_final BEFORE INSERT ON invoice_document WHEN {_ERASED.format("NEW.invoice_id")} '
        f'{abort("invoice_document")}',
        f'CREATE TRIGGER platform_status_unchanged BEFORE UPDATE ON platform_status WHEN NOT (NEW.reason IS NULL AND {same_status} '
        f'AND {_STATUS_ERASED}) {abort("platform_status")}',
        f'CREATE TRIGGER platform_status_kept BEFORE DELETE ON platform_status {abort("platform_status")}',
        "CREATE TRIGGER invoice_tombstone_due BEFORE INSERT ON invoice_tombstone WHEN "
        "(SELECT CAST(strftime('%Y', issued_on) AS INTEGER) FROM invoice WHERE id = NEW.invoice_id) "
        ">= CAST(strftime('%Y', 'now') AS INTEGER) - 10 "
        "BEGIN SELECT RAISE(ABORT, 'an invoice is kept for ten years'); END",
    )


def _postgres():
    """The functions and triggers of PostgreSQL."""
    same = ' AND '.join(f'NEW.{name} IS NOT DISTINCT FROM OLD.{name}' for name in _KEPT)
    same_facts = ' AND '.join(f"NEW.facts->'{name}' IS NOT DISTINCT FROM OLD.facts->'{name}'" for name in _KEPT_FACTS)
    same_status = ' AND '.join(f'NEW.{name} IS NOT DISTINCT FROM OLD.{name}' for name in _KEPT_STATUS)
    function = "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} {}; END $$".format
    refuse = "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME"
    return (
        function(
            'refuse_invoice_change',
            f"IF TG_OP = 'UPDATE' THEN IF NEW.xml IS NULL AND {same} AND {same_facts} "
            f"AND NEW.facts->'buyer'->>'name' IS NOT DISTINCT FROM '{_MARK}' "
            f"AND OLD.facts->'buyer'->>'name' IS DISTINCT FROM '{_MARK}' "
            f"AND {_ERASED.format('OLD.id')} THEN RETURN NEW; END IF; END IF;",
            refuse,
        ),
        function(
            'refuse_document_change',
            f"IF TG_OP = 'DELETE' THEN IF {_ERASED.format('OLD.invoice_id')} THEN RETURN OLD; END IF; END IF; "
            f"IF TG_OP = 'INSERT' THEN IF NOT {_ERASED.format('NEW.invoice_id')} THEN RETURN NEW; END IF; END IF;",
            refuse,
        ),
        function(
            'refuse_status_change',
            f"IF TG_OP = 'UPDATE' THEN IF NEW.reason IS NULL AND {same_status} AND {_STATUS_ERASED} "
            f"THEN RETURN NEW; END IF; END IF;",
            refuse,
        ),
        function(
            'refuse_tombstone',
            "IF (SELECT extract(YEAR FROM issued_on) FROM invoice WHERE id = NEW.invoice_id) < extract(YEAR FROM now()) - 10 "
            "THEN RETURN NEW; END IF;",
            "RAISE EXCEPTION 'an invoice is kept for ten years'",
        ),
        'CREATE TRIGGER invoice_kept BEFORE UPDATE OR DELETE ON invoice FOR EACH ROW EXECUTE FUNCTION refuse_invoice_change()',
        'CREATE TRIGGER invoice_document_kept BEFORE INSERT OR UPDATE OR DELETE ON invoice_document '
        'FOR EACH ROW EXECUTE FUNCTION refuse_document_change()',
        'CREATE TRIGGER platform_status_kept BEFORE UPDATE OR DELETE ON platform_status '
        'FOR EACH ROW EXECUTE FUNCTION refuse_status_change()',
        'CREATE TRIGGER invoice_tombstone_due BEFORE INSERT ON invoice_tombstone FOR EACH ROW EXECUTE FUNCTION refuse_tombstone()',
        *(
            f'CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()'
            for table in _TABLES
        ),
    )


async def _allow_erasure(apps, editor):
    db = editor.client
    await allow_changes(db, _TABLES)
    for statement in _sqlite() if dialect(db) == 'sqlite' else _postgres():
        await execute(statement, db=db)
    await refuse_changes(db, ['invoice_tombstone'])


async def _refuse_erasure(apps, editor):
    db = editor.client
    await allow_changes(db, [*_TABLES, 'invoice_tombstone'])
    if dialect(db) == 'sqlite':
        for name in ('invoice_document_final', 'invoice_tombstone_due'):
            await execute(f'DROP TRIGGER {name}', db=db)
    else:
        await execute('DROP TRIGGER invoice_tombstone_due ON invoice_tombstone', db=db)
        for name in ('refuse_invoice_change', 'refuse_document_change', 'refuse_status_change', 'refuse_tombstone'):
            await execute(f'DROP FUNCTION {name}()', db=db)
    await refuse_changes(db, _TABLES)


class Migration(migrations.Migration):
    dependencies = [('models', '0088_list_indexes')]

    initial = False

    operations = [
        ops.CreateModel(
            name='BuyerErasure',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('operator', fields.ForeignKeyField('models.User', source_field='operator_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('reason', fields.CharField(max_length=500)),
                ('until', fields.DateField()),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('planned_counts', fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ('removed_counts', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('finished_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'buyer_erasure', 'app': 'models', 'pk_attr': 'id', 'table_description': 'One run, which an operator confirmed: it removes the buyers from what was issued or booked'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='InvoiceTombstone',
            fields=[
                ('invoice', fields.OneToOneField('models.Invoice', source_field='invoice_id', primary_key=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('run', fields.ForeignKeyField('models.BuyerErasure', source_field='run_id', db_index=True, db_constraint=True, to_field='id', related_name='tombstones', on_delete=OnDelete.RESTRICT)),
                ('facts_sha256', fields.CharField(max_length=64)),
                ('xml_sha256', fields.CharField(null=True, max_length=64)),
                ('pdf_sha256', fields.CharField(null=True, max_length=64)),
                ('erased_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'invoice_tombstone', 'app': 'models', 'pk_attr': 'invoice_id', 'table_description': 'That an invoice says nothing about its buyer any more, with the SHA-256 hashes of what was'},
            bases=['Model'],
        ),
        ops.RunPython(_allow_erasure, _refuse_erasure),
    ]
