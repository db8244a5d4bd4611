-- Under the lock, before the installer: says that it has begun, and takes away what an installer left
-- that was killed. That is only what came after its own beginning: there were no tables then.
SELECT to_regclass('moodle_aws_toolkit_install') IS NOT NULL AS begun \gset
\if :begun
  DO $$
  DECLARE
    name text;
  BEGIN
    FOR name IN SELECT tablename FROM pg_tables
                 WHERE schemaname = current_schema() AND tablename LIKE 'mdl\_%'
    LOOP
      EXECUTE format('DROP TABLE %I CASCADE', name);
    END LOOP;
  END $$;
\else
  CREATE TABLE moodle_aws_toolkit_install (begun timestamptz NOT NULL DEFAULT now());
\endif
