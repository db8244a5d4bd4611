-- The wizard's last step, when the request comes from :ip: only the administrator whose lastip is
-- that address may set a password (Moodle 4.5 admin/index.php and user/editadvanced.php).
-- Prints how many administrators that was.
WITH finished AS (
  UPDATE mdl_user SET password = :'hash', timemodified = extract(epoch FROM now())::bigint
   WHERE id = (SELECT split_part(value, ',', 1)::bigint FROM mdl_config WHERE name = 'siteadmins')
     AND password = 'adminsetuppending' AND lastip = :'ip'
  RETURNING id
), cron AS (
  -- The web server's cron runs every minute, and has something to do from now on.
  INSERT INTO mdl_config_plugins (plugin, name, value)
  SELECT 'tool_task', 'lastcronstart', extract(epoch FROM now())::bigint::text FROM finished
      ON CONFLICT (plugin, name) DO UPDATE SET value = excluded.value
), unflagged AS (
  DELETE FROM mdl_config WHERE name = 'adminsetuppending' AND EXISTS (SELECT FROM finished)
)
SELECT count(*) FROM finished;
