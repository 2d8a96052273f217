"""Copies the agent `template` and its key, once for each line of a file: a number and the hash of a key.

Arguments: the database, the file. Nothing else may have the database open.
"""

import sqlite3
import sys
import uuid

database = sqlite3.connect(sys.argv[1])
database.row_factory = sqlite3.Row
# All of it in memory until the commit: hashes come in no order, and pages that do not fit are written again and again.
database.execute("PRAGMA cache_size = -4000000")
database.execute("PRAGMA synchronous = OFF")
agent = database.execute("SELECT * FROM identities WHERE external_id = 'template'").fetchone()
key = database.execute("SELECT * FROM api_keys WHERE identity_id = ?", (agent["id"],)).fetchone()


def copies(of, wanted):
    """Rows like this one, with what `wanted` says of each line."""
    columns = of.keys()
    with open(sys.argv[2]) as lines:
        for line in lines:
            number, key_hash = line.split()
            row = dict(zip(columns, of), **wanted(int(number), key_hash))
            yield tuple(row[column] for column in columns)


def id_of(row, number):
    return uuid.UUID(int=uuid.UUID(bytes=row["id"]).int + 1 + number)


def identity(number, _):
    own, name = id_of(agent, number), f"crowd-{number}"
    body = agent["body"].replace(str(uuid.UUID(bytes=agent["id"])), str(own)).replace("template", name)
    spiffe_id = agent["spiffe_id"].replace("template", name)
    return {"id": own.bytes, "external_id": name, "name": name, "spiffe_id": spiffe_id, "body": body}


def api_key(number, key_hash):
    own, owner = id_of(key, number), id_of(agent, number)
    body = key["body"].replace(str(uuid.UUID(bytes=key["id"])), str(own))
    body = body.replace(str(uuid.UUID(bytes=agent["id"])), str(owner))
    return {"id": own.bytes, "identity_id": owner.bytes, "hash": bytes.fromhex(key_hash), "body": body}


def fill(table, of, wanted):
    places = ", ".join("?" * len(of.keys()))
    database.executemany(f"INSERT INTO {table} VALUES ({places})", copies(of, wanted))


# What was copied is flushed once, by the checkpoint, which is durable.
with database:
    fill("identities", agent, identity)
    fill("api_keys", key, api_key)
    database.execute("UPDATE sequence SET epoch = epoch + 1")
database.execute("PRAGMA synchronous = FULL")
database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
