SELECT value FROM {config} WHERE name = 'dbsessions'
