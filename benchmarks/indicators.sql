-- The indicators of interviews, visits and appointments, written by hand for DuckDB: what an analyst
-- who knows the definitions would write. A column is `<indicator> <period> <count>`; the year's are
-- said only where they differ from the quarter's. Compared with the registry's, cell by cell.

CREATE OR REPLACE TABLE sql_interview AS
WITH held AS (
  SELECT
    coalesce(i.unit_id, p.unit_id, 'unknown') AS unit_id,
    date_trunc('quarter', interview_date) AS quarter,
    treatment_status, treatment_plan, crisis_plan, treatment_benefit, took_part_in_choice,
    network_involved, housing, employment,
    interview_date = min(interview_date) OVER person AS is_first,
    interview_date = min(CASE WHEN treatment_status IN ('interrupted', 'ended_mutual') THEN interview_date END)
      OVER person AS is_end,
    interview_date = max(interview_date) OVER (PARTITION BY i.patient_id, date_trunc('quarter', interview_date)) AS last_q,
    interview_date = max(interview_date) OVER (PARTITION BY i.patient_id, date_trunc('year', interview_date)) AS last_y
  FROM core.interview i LEFT JOIN core.patient p USING (patient_id)
  WHERE status IN ('completed', 'partial')
  WINDOW person AS (PARTITION BY i.patient_id)
), marked AS (
  SELECT *, is_first AND treatment_status = 'active' AS at_first FROM held
)
SELECT
  unit_id, quarter,
  count(*) FILTER (at_first) AS "treatment_plan_early quarter denominator",
  count(*) FILTER (at_first AND treatment_plan = 'yes') AS "treatment_plan_early quarter numerator",
  count(*) FILTER (at_first AND (treatment_plan IS NULL OR treatment_plan = 'unknown')) AS "treatment_plan_early quarter n_missing",
  count(*) FILTER (at_first) AS "crisis_plan_early quarter denominator",
  count(*) FILTER (at_first AND crisis_plan = 'yes') AS "crisis_plan_early quarter numerator",
  count(*) FILTER (at_first AND (crisis_plan IS NULL OR crisis_plan = 'unknown')) AS "crisis_plan_early quarter n_missing",
  count(*) FILTER (at_first) AS "large_benefit quarter denominator",
  count(*) FILTER (at_first AND treatment_benefit >= 4) AS "large_benefit quarter numerator",
  count(*) FILTER (at_first AND treatment_benefit IS NULL) AS "large_benefit quarter n_missing",
  count(*) FILTER (is_end) AS "ended_by_mutual_agreement quarter denominator",
  count(*) FILTER (is_end AND treatment_status = 'ended_mutual') AS "ended_by_mutual_agreement quarter numerator",
  count(*) FILTER (at_first) AS "took_part_in_choice quarter denominator",
  count(*) FILTER (at_first AND took_part_in_choice = 'yes') AS "took_part_in_choice quarter numerator",
  count(*) FILTER (at_first AND (took_part_in_choice IS NULL OR took_part_in_choice = 'unknown')) AS "took_part_in_choice quarter n_missing",
  count(*) FILTER (last_q) AS "network_involved quarter denominator",
  count(*) FILTER (last_q AND network_involved = 'yes') AS "network_involved quarter numerator",
  count(*) FILTER (last_q AND (network_involved IS NULL OR network_involved = 'unknown')) AS "network_involved quarter n_missing",
  count(*) FILTER (last_y) AS "network_involved year denominator",
  count(*) FILTER (last_y AND network_involved = 'yes') AS "network_involved year numerator",
  count(*) FILTER (last_y AND (network_involved IS NULL OR network_involved = 'unknown')) AS "network_involved year n_missing",
  count(*) FILTER (last_q) AS "suitable_housing quarter denominator",
  count(*) FILTER (last_q AND housing IN ('own', 'rented')) AS "suitable_housing quarter numerator",
  count(*) FILTER (last_q AND (housing IS NULL OR housing = 'unknown')) AS "suitable_housing quarter n_missing",
  count(*) FILTER (last_y) AS "suitable_housing year denominator",
  count(*) FILTER (last_y AND housing IN ('own', 'rented')) AS "suitable_housing year numerator",
  count(*) FILTER (last_y AND (housing IS NULL OR housing = 'unknown')) AS "suitable_housing year n_missing",
  count(*) FILTER (last_q) AS "occupied quarter denominator",
  count(*) FILTER (last_q AND employment IN ('work', 'education', 'activity')) AS "occupied quarter numerator",
  count(*) FILTER (last_q AND (employment IS NULL OR employment = 'unknown')) AS "occupied quarter n_missing",
  count(*) FILTER (last_y) AS "occupied year denominator",
  count(*) FILTER (last_y AND employment IN ('work', 'education', 'activity')) AS "occupied year numerator",
  count(*) FILTER (last_y AND (employment IS NULL OR employment = 'unknown')) AS "occupied year n_missing"
FROM marked GROUP BY ALL;

CREATE OR REPLACE TABLE sql_visit AS
SELECT
  coalesce(p.unit_id, 'unknown') AS unit_id,
  date_trunc('quarter', p.origin_date + v.due_day) AS quarter,
  count(*) AS "waves_delivered quarter denominator",
  count(*) FILTER (v.status IN ('completed', 'partial')) AS "waves_delivered quarter numerator"
FROM core.visit v JOIN core.patient p USING (patient_id)
WHERE p.enrolled AND v.status NOT IN ('dead', 'withdrawn', 'moved', 'not_due')
GROUP BY ALL;

CREATE OR REPLACE TABLE sql_appointment AS
WITH registering AS (
  SELECT DISTINCT coalesce(p.unit_id, 'unknown') AS unit_key
  FROM core.process_event JOIN core.patient p USING (patient_id) WHERE p.enrolled
), ends AS (
  SELECT patient_id, coalesce(unit_id, 'unknown') IN (SELECT unit_key FROM registering) AS registers,
    least(cutoff_date, origin_date + death_day, origin_date + moved_day, origin_date + withdrawn_day) AS until
  FROM core.patient WHERE enrolled
), steps AS (
  SELECT patient_id, event_date FROM core.process_event WHERE kind IN ('peer_outreach', 'frame_changed')
), followed AS (
  SELECT DISTINCT a.patient_id, a.scheduled_date, true AS is_followed
  FROM core.appointment a JOIN steps s USING (patient_id)
  WHERE a.status = 'no_show' AND s.event_date BETWEEN a.scheduled_date AND a.scheduled_date + 14
)
SELECT
  coalesce(a.unit_id, 'unknown') AS unit_id,
  date_trunc('quarter', a.scheduled_date) AS quarter,
  count(*) AS "no_show quarter denominator",
  count(*) FILTER (a.status IN ('no_show', 'cancelled_late')) AS "no_show quarter numerator",
  count(*) FILTER (registers AND a.status = 'no_show' AND e.until - a.scheduled_date >= 14) AS "no_show_followed_up quarter denominator",
  count(*) FILTER (registers AND a.status = 'no_show' AND e.until - a.scheduled_date >= 14 AND is_followed) AS "no_show_followed_up quarter numerator"
FROM core.appointment a
JOIN ends e USING (patient_id)
LEFT JOIN followed USING (patient_id, scheduled_date)
WHERE a.status IN ('attended', 'no_show', 'cancelled_late')
GROUP BY ALL;
