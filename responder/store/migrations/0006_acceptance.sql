-- Alerts are written by one statement inside the transaction that also writes their link and incident, under locks on
-- both, and forgotten with them. Checking that once more for each row doubled what keeping an alert costs.

alter table alerts drop constraint alerts_link_fkey, drop constraint alerts_incident_fkey;
