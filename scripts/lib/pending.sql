-- Puts an installed site back into the state in which the installation wizard asks for the
-- administrator's password (Moodle 4.5 admin/index.php), with :users other users.
BEGIN;
UPDATE mdl_user SET password = 'adminsetuppending', lastip = :'lastip'
 WHERE id = (SELECT split_part(value, ',', 1)::bigint FROM mdl_config WHERE name = 'siteadmins');
INSERT INTO mdl_config (name, value) VALUES ('adminsetuppending', '1')
    ON CONFLICT (name) DO UPDATE SET value = '1';
INSERT INTO mdl_user (username, password, confirmed, mnethostid, firstname, lastname, email, lastip)
SELECT 'student' || n, 'not cached', 1, 1, 'Student', 'Number ' || n,
       'student' || n || '@example.com', '192.0.2.' || n % 250
  FROM generate_series(1, :users) AS n;
COMMIT;
ANALYZE mdl_user, mdl_config;
