SELECT value FROM {config_plugins} WHERE plugin = 'tool_task' AND name = 'lastcronstart'
