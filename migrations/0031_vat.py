"""Companies without a SIREN, VAT numbers that the tax authorities confirm, and the rules of VAT.

A VAT number that was only derived from the SIREN goes: nobody entered it.
"""

from datetime import date

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops

from models.accounts.account import Organization
from models.accounts.vat_number import VatNumberStatus
from models.database.sql import dialect, execute
from models.database.table_changes import ChangeTable


async def _check(apps, editor):
    """Ask about the numbers that were entered."""
    await execute(
        "INSERT INTO vat_check (account_id, vat_number, status, due_at, failures) "
        "SELECT id, vat_number, 'PENDING', created_at, 0 FROM account WHERE vat_number IS NOT NULL AND status <> 'ERASED'",
        db=editor.client,
    )


async def _nothing(apps, editor):
    """Nothing to do."""


async def _drop_index(apps, editor):
    """The index of registry_due_at, which the model had but 0014 didn't create: ChangeTable does."""
    await execute('DROP INDEX IF EXISTS "idx_account_registr_05a8f0"', db=editor.client)


async def _identified(apps, editor):
    """Nothing to do: the numbers may be missing from now on."""


async def _fill_numbers(apps, editor):
    """The earlier version can't do without a SIREN."""
    await execute("UPDATE account SET siren = '000000000' WHERE siren IS NULL", db=editor.client)


_CATEGORIES = ('STANDARD', 'INTERMEDIATE', 'REDUCED')
_NO_VAT = (0, 0, 0)
_FRENCH_RULE = 'TVA non applicable, art. 294-1 du CGI'
_OUTSIDE_RULE = 'TVA non applicable, art. 259-1 du CGI'
_RULES = (
    ('METROPOLITAN_FRANCE', (2000, 1000, 550), 'standard', None, None),
    ('GUADELOUPE', (850, 210, 210), 'standard', None, None),
    ('MARTINIQUE', (850, 210, 210), 'standard', None, None),
    ('REUNION', (850, 210, 210), 'standard', None, None),
    ('GUYANE', _NO_VAT, 'not_due', None, _FRENCH_RULE),
    ('MAYOTTE', _NO_VAT, 'not_due', None, _FRENCH_RULE),
    ('OVERSEAS', _NO_VAT, 'outside_scope', 'VATEX-EU-O', _OUTSIDE_RULE),
    ('EUROPEAN_UNION', _NO_VAT, 'reverse_charge', 'VATEX-EU-AE', 'Autoliquidation, art. 283-2 du CGI et art. 196 de la directive 2006/112/CE'),
    ('THIRD_COUNTRY', _NO_VAT, 'outside_scope', 'VATEX-EU-O', _OUTSIDE_RULE),
)


async def _install_rules(apps, editor):
    """The rules in force, so that the next purchase after an upgrade has its VAT. `seed` installs later ones."""
    since = date(2014, 1, 1)
    for territory, rates, treatment, exemption_code, mention in _RULES:
        for category, rate in zip(_CATEGORIES, rates, strict=True):
            await execute(
                'INSERT INTO tax_rule (territory, category, valid_since, rate, treatment, exemption_code, mention) VALUES (?, ?, ?, ?, ?, ?, ?)',
                *(territory, category, since.isoformat() if dialect(editor.client) == 'sqlite' else since, rate, treatment, exemption_code, mention),
                db=editor.client,
            )


async def _delete_rules(apps, editor):
    await execute('DELETE FROM tax_rule', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0030_bank_lines')]

    initial = False

    operations = [
        ops.RunPython(_nothing, _drop_index),
        ChangeTable(
            'Account',
            set_fields={
                'organization': fields.CharEnumField(default=Organization.COMPANY, db_default=Organization.COMPANY, description='kind of legal entity', enum_type=Organization, max_length=12),
                'siren': fields.CharField(null=True, db_index=True, max_length=9),
                'registration_number': fields.CharField(null=True, max_length=50),
                'vat_number': fields.CharField(null=True, max_length=20),
            },
            remove=('vat_key',),
            fill={'vat_number': "'FR' || vat_key || siren"},
            fill_backward={'vat_key': "CASE WHEN vat_number = 'FR' || SUBSTR(vat_number, 3, 2) || siren THEN SUBSTR(vat_number, 3, 2) END"},
        ),
        ops.RunPython(_identified, _fill_numbers),
        ops.CreateModel(
            name='VatCheck',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('account', fields.OneToOneField('models.Account', source_field='account_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('vat_number', fields.CharField(max_length=20)),
                ('status', fields.CharEnumField(default=VatNumberStatus.PENDING, description='answer', enum_type=VatNumberStatus, max_length=10)),
                ('checked_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('consultation_number', fields.CharField(null=True, max_length=60)),
                ('registered_name', fields.CharField(null=True, max_length=300)),
                ('due_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('failures', fields.IntField(default=0)),
            ],
            options={'table': 'vat_check', 'app': 'models', 'pk_attr': 'id', 'table_description': "What the tax authorities answered about an account's VAT number."},
            bases=['Model'],
        ),
        ops.RunPython(_check, _nothing),
        ops.RunPython(_nothing, _delete_rules),
        ChangeTable('TaxRule', set_fields={'mention': fields.CharField(null=True, max_length=200)}, remove=('mention_key',)),
        ops.RunPython(_install_rules, _nothing),
    ]
