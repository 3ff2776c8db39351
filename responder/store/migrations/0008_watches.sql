-- Incidents that a rule opened by itself. Their links are of kind `watch`, from the pack of the rule, by its name;
-- `state` of such a link is `breach` from the breach until the incident is settled.

-- `turned_at`: when a rule fell back into breach, within the last minutes.
-- `clear_since`: since when every rule of it says that all is well; null while one does not.
alter table incidents
    add column clear_since timestamptz,
    add column turned_at timestamptz[] not null default '{}';
