SELECT username, lastip, password = 'adminsetuppending' AS pending
FROM {user}
WHERE id = $1
