-- Likewise for links and lines of the timeline: written in the transaction that writes their incident or locks it, and
-- forgotten with it. The check locked the incident's row, which is a write of its own, for each of them.

alter table links drop constraint links_incident_fkey;
alter table timeline drop constraint timeline_incident_fkey;
