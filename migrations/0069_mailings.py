"""Mailings, and emails that need a consent."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from models.operations.email import EmailPriority
from models.privacy.consent import ConsentPurpose
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0068_consents')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Mailing',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('purpose', fields.CharEnumField(description='NEWSLETTER: NEWSLETTER\nOFFERS: OFFERS\nINVITATIONS: INVITATIONS\nSURVEYS: SURVEYS', enum_type=ConsentPurpose, max_length=11)),
                ('sender', fields.ForeignKeyField('models.User', source_field='sender_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('subject_fr', fields.CharField(max_length=150)),
                ('subject_en', fields.CharField(max_length=150)),
                ('body_fr', fields.TextField(unique=False)),
                ('body_en', fields.TextField(unique=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('last_user_id', fields.BigIntField(default=0)),
                ('recipient_count', fields.IntField(default=0)),
                ('finished_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'mailing', 'app': 'models', 'pk_attr': 'id', 'table_description': "One mailing. Its emails are stored in batches, in the order of their recipients' keys:"},
            bases=['Model'],
        ),
        ops.AlterField(
            model_name='Email',
            name='priority',
            field=fields.IntEnumField(default=EmailPriority.NORMAL, description='URGENT: 0\nNORMAL: 10\nBULK: 20', db_default=10, enum_type=EmailPriority, generated=False),
        ),
        ops.AddField(
            model_name='Email',
            name='purpose',
            field=fields.CharEnumField(null=True, description='NEWSLETTER: NEWSLETTER\nOFFERS: OFFERS\nINVITATIONS: INVITATIONS\nSURVEYS: SURVEYS', enum_type=ConsentPurpose, max_length=11),
        ),
        ops.AddField(
            model_name='Email',
            name='withdrawal_token',
            field=fields.CharField(null=True, max_length=400),
        ),
    ]
