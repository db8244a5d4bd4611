SELECT set_config('statement_timeout', $1, true),
       set_config('lock_timeout', $2, true),
       -- A new site has no statistics yet; without this the planner may read a whole small table.
       set_config('enable_seqscan', 'off', true),
       CASE WHEN $3 <> '' THEN set_config('search_path', $3, true) END
