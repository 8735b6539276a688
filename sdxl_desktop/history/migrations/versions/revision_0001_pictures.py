"""The pictures, their details, parents and tags, and the full-text index of their prompts."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE picture (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        file TEXT NOT NULL,
        day TEXT NOT NULL,
        created INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        kind TEXT NOT NULL,
        prompt TEXT NOT NULL,
        negative_prompt TEXT NOT NULL,
        seed INTEGER NOT NULL,
        checkpoint_title TEXT NOT NULL,
        checkpoint_id TEXT NOT NULL,
        rating INTEGER NOT NULL DEFAULT 0 CHECK (rating BETWEEN 0 AND 5),
        starred BOOLEAN NOT NULL DEFAULT 0,
        has_mask BOOLEAN NOT NULL DEFAULT 0,
        missing BOOLEAN NOT NULL DEFAULT 0,
        forgotten INTEGER,
        file_bytes INTEGER NOT NULL,
        file_mtime INTEGER NOT NULL,
        file_inode TEXT NOT NULL,
        content TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX picture_file ON picture (file) WHERE forgotten IS NULL",
    "CREATE INDEX picture_newest ON picture (forgotten, day, created, id)",
    "CREATE INDEX picture_content ON picture (content)",
    """
    CREATE TABLE details (
        picture_id INTEGER PRIMARY KEY REFERENCES picture (id) ON DELETE CASCADE,
        record TEXT,
        record_in_file BOOLEAN NOT NULL,
        version TEXT NOT NULL,
        timings TEXT,
        devices TEXT NOT NULL,
        pixels_digest TEXT NOT NULL,
        latents_digest TEXT NOT NULL
    )
    """,
    "CREATE INDEX details_pixels ON details (pixels_digest)",
    "CREATE INDEX details_latents ON details (latents_digest)",
    """
    CREATE TABLE parent (
        picture_id INTEGER NOT NULL REFERENCES picture (id) ON DELETE CASCADE,
        role TEXT NOT NULL,
        digest TEXT NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (picture_id, role, digest)
    )
    """,
    "CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE UNIQUE)",
    """
    CREATE TABLE picture_tag (
        picture_id INTEGER NOT NULL REFERENCES picture (id) ON DELETE CASCADE,
        tag_id INTEGER NOT NULL REFERENCES tag (id) ON DELETE CASCADE,
        PRIMARY KEY (picture_id, tag_id)
    )
    """,
    "CREATE INDEX picture_tag_tag ON picture_tag (tag_id)",
    """
    CREATE TABLE other_file (
        file TEXT PRIMARY KEY NOT NULL, file_bytes INTEGER NOT NULL, file_mtime INTEGER NOT NULL
    )
    """,
    """
    CREATE VIRTUAL TABLE picture_text USING fts5 (
        prompt, negative_prompt, content='picture', content_rowid='id',
        tokenize='unicode61 remove_diacritics 2', prefix='1 2 3'
    )
    """,
    """
    CREATE TRIGGER picture_inserted AFTER INSERT ON picture BEGIN
        INSERT INTO picture_text (rowid, prompt, negative_prompt) VALUES (new.id, new.prompt, new.negative_prompt);
    END
    """,
    """
    CREATE TRIGGER picture_deleted AFTER DELETE ON picture BEGIN
        INSERT INTO picture_text (picture_text, rowid, prompt, negative_prompt)
        VALUES ('delete', old.id, old.prompt, old.negative_prompt);
    END
    """,
    """
    CREATE TRIGGER picture_updated AFTER UPDATE OF prompt, negative_prompt ON picture BEGIN
        INSERT INTO picture_text (picture_text, rowid, prompt, negative_prompt)
        VALUES ('delete', old.id, old.prompt, old.negative_prompt);
        INSERT INTO picture_text (rowid, prompt, negative_prompt) VALUES (new.id, new.prompt, new.negative_prompt);
    END
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("an older version refuses a newer database")
