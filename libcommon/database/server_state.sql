SELECT current_setting('server_version_num')::int AS version,
    extract(epoch FROM clock_timestamp())::float8 AS now,
    to_regclass($1) IS NOT NULL AS has_plugins, to_regclass($2) IS NOT NULL AS has_config
