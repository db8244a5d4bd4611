UPDATE {user}
SET lastip = $1
WHERE id = $2 AND password = 'adminsetuppending'
