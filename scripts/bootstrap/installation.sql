-- How far Moodle's installation is. "partial" is one that web-bootstrap.sh began and has not finished,
-- as its own table says, and "ended" the same when Moodle works already: then its tables are never
-- dropped. Finished is (Moodle 4.5 admin/index.php): rolesactive is set, and no administrator's
-- password is pending.
SELECT to_regclass('mdl_config') IS NOT NULL AND to_regclass('mdl_user') IS NOT NULL AS tables,
       to_regclass('moodle_aws_toolkit_install') IS NOT NULL AS begun,
       EXISTS (SELECT FROM pg_tables
                WHERE schemaname = current_schema() AND tablename LIKE 'mdl\_%') AS some
\gset
\if :tables
  SELECT EXISTS (SELECT FROM mdl_config WHERE name = 'rolesactive' AND value = '1') AS active,
         EXISTS (SELECT FROM mdl_user WHERE password = 'adminsetuppending') AS pending
  \gset
\else
  \set active f
  \set pending f
\endif
SELECT CASE WHEN :'active'::boolean AND NOT :'pending'::boolean
            THEN CASE WHEN :'begun'::boolean THEN 'ended' ELSE 'installed' END
            WHEN :'begun'::boolean THEN 'partial'
            WHEN :'some'::boolean THEN 'pending'
            ELSE 'empty' END;
