SELECT name, value
FROM {config}
WHERE name IN ('siteadmins', 'rolesactive', 'getremoteaddrconf', 'version')
