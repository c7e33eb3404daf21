-- When the rule results of a session went by age.
alter table scrape_sessions add column rule_results_removed_at timestamptz;
