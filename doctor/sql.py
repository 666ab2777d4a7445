"""What is asked of Postgres, by name, each with its reason. Any role may ask all of it."""

from sqlalchemy import text

# As the server has them for a session that wishes nothing else.
READ_SETTINGS = text("""
    SELECT name, current_setting(name) AS value, pending_restart FROM pg_settings
    WHERE name = ANY(CAST(:names AS text[]))
""")

# `keep_mb` is -1 for as much as it takes. Slots of others take from what ours may need.
READ_SERVER = text("""
    SELECT current_setting('server_version_num')::integer AS version,
           (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS keep_mb,
           (SELECT count(*) FROM pg_replication_slots
            WHERE slot_name <> ALL(CAST(:ours AS text[]))) AS foreign_slots
""")

READ_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::float8")

READ_ROLES = text("""
    SELECT rolname, rolsuper, rolreplication, rolcreaterole, rolcreatedb, rolbypassrls,
           ARRAY(SELECT above.rolname FROM pg_auth_members
                 JOIN pg_roles AS above ON above.oid = roleid WHERE member = role.oid) AS groups
    FROM pg_roles AS role WHERE rolname NOT LIKE 'pg\\_%'
""")

# What overrides the server's own settings, for a role, a database, or one in the other.
READ_OVERRIDES = text("""
    SELECT role.rolname AS role, datname AS database, split_part(line, '=', 1) AS setting,
           substr(line, strpos(line, '=') + 1) AS value
    FROM pg_db_role_setting
    LEFT JOIN pg_roles AS role ON role.oid = setrole
    LEFT JOIN pg_database ON pg_database.oid = setdatabase, unnest(setconfig) AS line
""")

# As they are stored, column by column: what a role has through a group is told by its groups. The owner's own
# are left out. A function counts where it runs as its owner; by default everybody may call it.
READ_GRANTS = text("""
    WITH relation AS (
        SELECT * FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    ), kept AS (
        SELECT relname AS object, NULL AS "column", relowner AS owner, relacl AS acl FROM relation
        UNION ALL
        SELECT relname, attname, relowner, attacl
        FROM relation JOIN pg_attribute ON attrelid = relation.oid WHERE NOT attisdropped
        UNION ALL
        SELECT proname, NULL, proowner, coalesce(proacl, acldefault('f', proowner))
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
        UNION ALL
        SELECT 'SCHEMA', NULL, nspowner, nspacl FROM pg_namespace WHERE nspname = 'public'
        UNION ALL
        SELECT 'DATABASE', NULL, datdba, coalesce(datacl, acldefault('d', datdba))
        FROM pg_database WHERE datname = current_database()
    )
    SELECT coalesce(rolname, 'PUBLIC') AS role, privilege_type AS privilege, object, "column"
    FROM kept CROSS JOIN LATERAL aclexplode(acl) AS granted
    LEFT JOIN pg_roles ON pg_roles.oid = grantee WHERE grantee <> owner
""")

# An owner may do anything with what is his. A function is named with what it takes, as ALTER FUNCTION asks.
READ_OWNERS = text("""
    SELECT relname AS object, relkind IN ('r', 'p') AS is_table, rolname AS owner
    FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT pg_proc.oid::regprocedure::text, false, rolname
    FROM pg_proc JOIN pg_roles ON pg_roles.oid = proowner
    WHERE pronamespace = 'public'::regnamespace AND prosecdef
""")

READ_PUBLICATION = text("""
    SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot,
           ARRAY(SELECT CASE WHEN schemaname = 'public' THEN '' ELSE schemaname || '.' END || tablename
                 FROM pg_publication_tables AS each WHERE each.pubname = :publication) AS tables,
           ARRAY(SELECT relname FROM pg_publication_rel JOIN pg_class ON pg_class.oid = prrelid
                 WHERE prpubid = publication.oid AND (prqual IS NOT NULL OR prattrs IS NOT NULL)) AS narrowed
    FROM pg_publication AS publication WHERE pubname = :publication
""")

# On the tables that carry events, and on each of their days. What a trigger on a table makes on its days is
# the same trigger; a table that is not logged is in no WAL.
READ_ODDITIES = text("""
    WITH relation AS (
        SELECT * FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
          AND regexp_replace(relname, '_p[0-9]{8}$', '') = ANY(CAST(:tables AS text[]))
    )
    SELECT relname AS table, 'trigger' AS kind, tgname AS name
    FROM relation JOIN pg_trigger ON tgrelid = relation.oid WHERE NOT tgisinternal AND tgparentid = 0
    UNION ALL
    SELECT relname, 'rule', rulename FROM relation JOIN pg_rewrite ON ev_class = relation.oid
    UNION ALL
    SELECT relname, 'replica identity', relreplident::text FROM relation WHERE relreplident <> 'd'
    UNION ALL
    SELECT relname, 'unlogged', relname FROM relation WHERE relpersistence <> 'p'
    UNION ALL
    SELECT relname, 'row security', relname FROM relation WHERE relrowsecurity
""")

# Days that are attached: one that is not takes no row.
READ_DAYS = text("""
    SELECT parent.relname AS parent, to_date(right(child.relname, 8), 'YYYYMMDD') AS day
    FROM pg_inherits
    JOIN pg_class AS child ON child.oid = inhrelid JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE parent.relname IN ('outbox', 'inbox') AND child.relname ~ '_p[0-9]{8}$'
""")

READ_TODAY = text("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date")

HAS_HISTORY = text("SELECT to_regclass('alembic_version') IS NOT NULL")

READ_REVISION = text("SELECT version_num FROM alembic_version")
