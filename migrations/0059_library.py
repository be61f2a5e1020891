"""The library: versions, publication, feedback and the sign-up for webinars."""

import json
from datetime import UTC, datetime

from models.content.article import article_stems
from models.database.sql import execute
from tortoise import migrations
from tortoise.migrations import operations as ops
from models.content.article_feedback import FeedbackReason
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields

_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)


async def _publish(apps, editor):
    """All articles so far are public. Fill their stems as well, and create the indexes that AddField leaves out."""
    await execute('CREATE INDEX "idx_article_schedul_5e0b6f" ON "article" ("scheduled_at")', db=editor.client)
    await execute('CREATE INDEX "idx_file_article_7d1c2a" ON "file" ("article_id")', db=editor.client)
    for row in await execute("SELECT id, texts FROM article", db=editor.client):
        texts = json.loads(row["texts"]) if isinstance(row["texts"], str) else row["texts"]
        await execute(
            "UPDATE article SET published_at = ?, updated_at = ?, stems_fr = ?, stems_en = ? WHERE id = ?",
            _BEFORE, _BEFORE, article_stems(texts["fr"]), article_stems(texts["en"]), row["id"], db=editor.client,
        )


async def _drop(apps, editor):
    """The columns are removed, after their indexes."""
    await execute('DROP INDEX "idx_article_schedul_5e0b6f"', db=editor.client)
    await execute('DROP INDEX "idx_file_article_7d1c2a"', db=editor.client)


class Migration(migrations.Migration):
    dependencies = [('models', '0058_status_board')]

    initial = False

    operations = [
        ops.CreateModel(
            name='ArticleFeedback',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('article', fields.ForeignKeyField('models.Article', source_field='article_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('visitor', fields.CharField(null=True, max_length=64)),
                ('is_useful', fields.BooleanField()),
                ('reason', fields.CharEnumField(null=True, description='reason', enum_type=FeedbackReason, max_length=12)),
                ('comment', fields.TextField(default='', unique=False)),
                ('version', fields.IntField()),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'article_feedback', 'app': 'models', 'unique_together': (('article', 'user'), ('article', 'visitor')), 'pk_attr': 'id', 'table_description': 'What one reader thinks of an article: a user, or a visitor by the hash of an ID that their'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='ArticleVersion',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('article', fields.ForeignKeyField('models.Article', source_field='article_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('number', fields.IntField()),
                ('texts', fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ('editor', fields.ForeignKeyField('models.User', source_field='editor_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('published_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'article_version', 'app': 'models', 'unique_together': (('article', 'number'),), 'pk_attr': 'id', 'table_description': "One version of an article's texts. `editor` is null for what came with the installation, and"},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='WebinarSignUp',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('article', fields.ForeignKeyField('models.Article', source_field='article_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('user', fields.ForeignKeyField('models.User', source_field='user_id', db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('is_waiting', fields.BooleanField()),
                ('signed_up_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('reminder_at', fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'webinar_sign_up', 'app': 'models', 'unique_together': (('article', 'user'),), 'pk_attr': 'id', 'table_description': "One person's place in a webinar, or on its waiting list, which goes by `id`. `reminder_at` is"},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='Article',
            name='calendar_sequence',
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name='Article',
            name='canceled_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Article',
            name='capacity',
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name='Article',
            name='join_url',
            field=fields.CharField(null=True, max_length=500),
        ),
        ops.AddField(
            model_name='Article',
            name='latest_version',
            field=fields.IntField(default=1, db_default=1),
        ),
        ops.AddField(
            model_name='Article',
            name='published_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Article',
            name='published_version',
            field=fields.IntField(default=1, db_default=1),
        ),
        ops.AddField(
            model_name='Article',
            name='scheduled_at',
            field=fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Article',
            name='scheduled_version',
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name='Article',
            name='stems_en',
            field=fields.TextField(default='', db_default='', unique=False),
        ),
        ops.AddField(
            model_name='Article',
            name='stems_fr',
            field=fields.TextField(default='', db_default='', unique=False),
        ),
        ops.AddField(
            model_name='Article',
            name='updated_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Article',
            name='video_url',
            field=fields.CharField(null=True, max_length=500),
        ),
        ops.AddField(
            model_name='Email',
            name='calendar',
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name='File',
            name='article',
            field=fields.ForeignKeyField('models.Article', source_field='article_id', null=True, db_index=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL),
        ),
        ops.RunPython(_publish, _drop),
    ]
