-- core.visit, core.substance_use and the numbers of derived.substance_trend of LAR X, written by
-- hand for DuckDB: what an analyst who knows the rules and this one protocol would write.
-- Definitions and results are those of registry_pipeline; the tables are compared row for row.

CREATE TEMP TABLE delivered AS
SELECT DISTINCT
  delivery, form, sender, quarter, number, extracted_on, kind = 'full' AS is_full,
  first_value(extracted_on) OVER (PARTITION BY sender, form ORDER BY kind = 'full' DESC, quarter DESC, number DESC) AS cutoff,
  first_value(extracted_on) OVER (PARTITION BY sender ORDER BY kind = 'full' DESC, quarter DESC, number DESC) AS sender_cutoff
FROM meta.delivery
WHERE protocol = 'lar_x' AND status = 'accepted';

CREATE TEMP TABLE enrolled AS
WITH newest AS (
  SELECT * FROM intake.patients WHERE protocol = 'lar_x'
  QUALIFY row_number() OVER (PARTITION BY patient_id ORDER BY quarter DESC, number DESC, delivery DESC, row_number DESC) = 1
)
SELECT patient_id, sex, birth_year, assigned_pathway, consent_date, co_occurring_disorder, sender, sender_cutoff
FROM newest JOIN delivered USING (delivery)
WHERE form = 'patients' AND NOT is_retraction
  AND (consent = 'consented' OR legal_basis = 'opt_out' AND consent NOT IN ('opt_out', 'declined'));

CREATE TEMP TABLE stays AS
WITH newest AS (
  SELECT * FROM intake.episodes WHERE protocol = 'lar_x'
  QUALIFY row_number() OVER (
    PARTITION BY patient_id, pathway, coalesce(start_date, planned_start_date)
    ORDER BY quarter DESC, number DESC, delivery DESC, row_number DESC
  ) = 1
), seen AS (
  SELECT patient_id, pathway, coalesce(start_date, planned_start_date) AS begun,
    max_by(extracted_on, (d.quarter, d.number)) AS last_seen
  FROM intake.episodes e JOIN delivered d USING (delivery)
  WHERE e.protocol = 'lar_x' AND d.form = 'episodes' AND d.is_full AND NOT e.is_retraction
  GROUP BY ALL
)
SELECT n.patient_id, n.pathway, n.start_date, n.end_date, n.exit_type,
  coalesce(n.cover_days, 0) AS cover_days, d.cutoff, coalesce(s.last_seen, d.cutoff) AS last_seen
FROM newest n
JOIN delivered d USING (delivery)
JOIN enrolled USING (patient_id)
LEFT JOIN seen s ON s.patient_id = n.patient_id AND s.pathway = n.pathway
  AND s.begun = coalesce(n.start_date, n.planned_start_date)
WHERE d.form = 'episodes' AND NOT n.is_retraction
  AND coalesce(n.start_date, n.planned_start_date) <= d.cutoff;

CREATE TEMP TABLE happened AS
WITH newest AS (
  SELECT * FROM intake.events WHERE protocol = 'lar_x'
  QUALIFY row_number() OVER (
    PARTITION BY patient_id, event_date, event_type
    ORDER BY quarter DESC, number DESC, delivery DESC, row_number DESC
  ) = 1
)
SELECT patient_id, event_date, event_type
FROM newest JOIN delivered USING (delivery) JOIN enrolled USING (patient_id)
WHERE form = 'events' AND NOT is_retraction AND event_date <= cutoff;

CREATE TEMP TABLE deaths AS
SELECT patient_id, coalesce(min(event_date), min(end_date)) AS death_date
FROM (
  SELECT patient_id, event_date, NULL AS end_date FROM happened
  WHERE event_type IN ('death_overdose', 'death_other')
  UNION ALL
  SELECT patient_id, NULL, end_date FROM stays
  WHERE exit_type IN ('death_overdose', 'death_other') AND coalesce(end_date <= cutoff, true)
)
GROUP BY patient_id;

CREATE TEMP TABLE held AS
WITH newest AS (
  SELECT patient_id, interview_date, status, delivery, row_number, is_retraction
  FROM intake.interviews WHERE protocol = 'lar_x'
  QUALIFY row_number() OVER (
    PARTITION BY patient_id, interview_date
    ORDER BY quarter DESC, number DESC, delivery DESC, row_number DESC
  ) = 1
)
SELECT patient_id, interview_date, status, delivery, row_number
FROM newest JOIN delivered USING (delivery) JOIN enrolled USING (patient_id)
LEFT JOIN deaths USING (patient_id)
WHERE form = 'interviews' AND NOT is_retraction
  AND coalesce(interview_date >= consent_date, true)
  AND coalesce(interview_date <= death_date, true)
  AND interview_date <= cutoff;

CREATE TEMP TABLE person AS
WITH baseline AS (
  SELECT patient_id, min(interview_date) AS baseline_date
  FROM held WHERE status IN ('completed', 'partial') GROUP BY patient_id
), moved AS (
  SELECT patient_id, min(event_date) AS moved_date
  FROM happened LEFT JOIN deaths USING (patient_id)
  WHERE event_type = 'moved' AND coalesce(event_date <= death_date, true) GROUP BY patient_id
), withdrawn AS (
  SELECT patient_id, min(withdrawn_date) AS withdrawn_date
  FROM intake.withdrawals LEFT JOIN deaths USING (patient_id)
  WHERE protocol = 'lar_x' AND NOT is_retraction AND coalesce(withdrawn_date <= death_date, true)
  GROUP BY patient_id
), asked AS (
  SELECT DISTINCT sender, sender_cutoff FROM delivered WHERE form = 'interviews'
)
SELECT e.patient_id, assigned_pathway,
  coalesce(sex, 'unknown') AS sex,
  coalesce(co_occurring_disorder::VARCHAR, 'unknown') AS co_occurring_disorder,
  coalesce(baseline_date, consent_date) AS origin,
  CASE
    WHEN birth_year IS NULL THEN 'unknown'
    WHEN year(origin) - birth_year < 23 THEN 'under_23'
    WHEN year(origin) - birth_year < 30 THEN 'age_23_29'
    WHEN year(origin) - birth_year < 40 THEN 'age_30_39'
    WHEN year(origin) - birth_year < 50 THEN 'age_40_49'
    ELSE 'age_50_over'
  END AS age_group,
  coalesce(a.sender_cutoff, e.sender_cutoff) - origin AS cutoff_day,
  death_date - origin AS death_day,
  moved_date - origin AS moved_day,
  withdrawn_date - origin AS withdrawn_day
FROM enrolled e
LEFT JOIN asked a USING (sender)
LEFT JOIN baseline USING (patient_id)
LEFT JOIN deaths USING (patient_id)
LEFT JOIN moved USING (patient_id)
LEFT JOIN withdrawn USING (patient_id);

CREATE TEMP TABLE covers AS
SELECT s.patient_id, pathway,
  pathway IN ('gp_alone', 'gp_and_municipality', 'gp_with_specialist_contact') AS is_index,
  pathway <> 'out_of_oat' AS is_treatment,
  start_date AS from_date,
  coalesce(end_date + cover_days, CASE WHEN last_seen < cutoff THEN last_seen + 1 END) AS until_date
FROM stays s LEFT JOIN deaths USING (patient_id)
WHERE start_date IS NOT NULL AND coalesce(start_date <= death_date, true);

CREATE TEMP TABLE holders AS
WITH placed AS (
  SELECT h.*, interview_date - origin AS day,
    CASE
      WHEN day * 2 < 91 THEN 0 WHEN day * 2 < 274 THEN 1 WHEN day * 2 < 457 THEN 2
      WHEN day * 2 < 639 THEN 3 WHEN day * 2 < 822 THEN 4 WHEN day * 2 < 1005 THEN 5
      WHEN day * 2 < 1187 THEN 6 WHEN day * 2 < 1370 THEN 7 WHEN day * 2 < 1554 THEN 8
    END AS wave,
    day - [0, 91, 183, 274, 365, 457, 548, 639, 731][wave + 1] AS days_from_nominal
  FROM held h JOIN person USING (patient_id)
)
SELECT *,
  CASE
    WHEN abs(days_from_nominal) <= 14 THEN 'on_time'
    WHEN abs(days_from_nominal) <= 30 THEN 'in_window'
    ELSE 'off_window'
  END AS visit_window
FROM placed WHERE wave IS NOT NULL
QUALIFY row_number() OVER (
  PARTITION BY patient_id, wave
  ORDER BY CASE status WHEN 'completed' THEN 0 WHEN 'partial' THEN 1 WHEN 'refused' THEN 2 ELSE 3 END,
    abs(days_from_nominal), interview_date
) = 1;

CREATE TEMP TABLE visits AS
WITH schedule AS (
  SELECT unnest(range(9))::INTEGER AS wave,
    unnest([0, 91, 183, 274, 365, 457, 548, 639, 731]) AS due_day
), grid AS (
  SELECT p.*, wave, due_day, h.interview_date, h.status AS interview_status,
    h.days_from_nominal, h.visit_window, h.delivery, h.row_number,
    origin + coalesce(h.day, due_day)::INTEGER AS on_date
  FROM person p CROSS JOIN schedule LEFT JOIN holders h USING (patient_id, wave)
), covered AS (
  SELECT patient_id, wave, max_by(pathway, (is_index, from_date, pathway)) AS pathway,
    bool_or(is_treatment) AS in_treatment
  FROM grid JOIN covers USING (patient_id)
  WHERE from_date <= on_date AND (until_date IS NULL OR on_date < until_date)
  GROUP BY ALL
)
SELECT g.patient_id, g.wave, due_day,
  interview_status IS NOT NULL OR due_day + 30 <= cutoff_day AS is_due,
  interview_date, days_from_nominal, visit_window,
  CASE
    WHEN interview_status IS NOT NULL THEN interview_status
    WHEN death_day <= due_day + 30 THEN 'dead'
    WHEN withdrawn_day <= due_day + 30 THEN 'withdrawn'
    WHEN moved_day <= due_day + 30 THEN 'moved'
    WHEN due_day + 30 > cutoff_day THEN 'not_due'
    WHEN has_stay AND NOT coalesce(in_treatment, false) THEN 'out_of_treatment'
    ELSE 'missed'
  END AS status,
  pathway, delivery, row_number
FROM grid g
LEFT JOIN covered USING (patient_id, wave)
LEFT JOIN (SELECT DISTINCT patient_id, true AS has_stay FROM covers) USING (patient_id);

CREATE OR REPLACE TABLE core.visit AS
SELECT 'lar_x' AS cohort, * EXCLUDE (delivery, row_number) FROM visits;

CREATE OR REPLACE TABLE core.substance_use AS
WITH answers AS (
  SELECT v.patient_id, wave, v.status, alcohol_days, cannabis_days, benzodiazepine_days,
    amphetamine_days, cocaine_days, heroin_days, other_opioid_days, doping_days, other_days,
    CASE WHEN v.status IN ('completed', 'partial') THEN coalesce(recall_days, 28) END AS recall,
    greatest(heroin_days, other_opioid_days) AS opioid,
    heroin_days + other_opioid_days IS NOT NULL AS all_opioid,
    greatest(cannabis_days, benzodiazepine_days, amphetamine_days, cocaine_days, heroin_days,
      other_opioid_days, doping_days, other_days) AS illicit,
    cannabis_days + benzodiazepine_days + amphetamine_days + cocaine_days + heroin_days
      + other_opioid_days + doping_days + other_days IS NOT NULL AS all_illicit
  FROM visits v LEFT JOIN intake.interviews USING (delivery, row_number)
), uses AS (
  SELECT patient_id, wave, status, recall,
    unnest(['alcohol', 'cannabis', 'benzodiazepine', 'amphetamine', 'cocaine', 'heroin',
      'other_opioid', 'doping', 'other', 'any_opioid', 'any_illicit']) AS substance,
    unnest([alcohol_days, cannabis_days, benzodiazepine_days, amphetamine_days, cocaine_days,
      heroin_days, other_opioid_days, doping_days, other_days,
      CASE WHEN opioid > 0 OR all_opioid THEN opioid END,
      CASE WHEN illicit > 0 OR all_illicit THEN illicit END]) AS answered
  FROM answers
)
SELECT 'lar_x' AS cohort, patient_id, wave, substance,
  substance IN ('any_opioid', 'any_illicit') AS is_group,
  CASE WHEN recall IS NOT NULL THEN answered END AS days,
  recall AS recall_days,
  days / recall AS use_share,
  days * 28 / recall AS days_28,
  CASE
    WHEN recall IS NULL THEN status
    WHEN days IS NULL THEN 'not_asked'
    WHEN days = 0 THEN 'abstinent'
    WHEN days * 4 <= recall THEN 'episodic'
    ELSE 'regular'
  END AS state
FROM uses;

CREATE OR REPLACE TABLE derived.substance_trend AS
WITH strata AS (
  SELECT p.patient_id, any_value(sex) AS sex, any_value(age_group) AS age_group,
    any_value(co_occurring_disorder) AS co_occurring_disorder,
    coalesce(any_value(assigned_pathway), max_by(c.pathway, (is_index, from_date, c.pathway)),
      'unknown') AS pathway
  FROM person p LEFT JOIN covers c ON c.patient_id = p.patient_id
    AND from_date <= origin AND (until_date IS NULL OR origin < until_date)
  GROUP BY p.patient_id
), cells AS (
  SELECT substance, wave, state, days_28, sex, age_group, pathway, co_occurring_disorder,
    count(*) AS n
  FROM core.substance_use JOIN strata USING (patient_id) GROUP BY ALL
), rolled AS (
  SELECT substance, wave, state, days_28, stratum_by, stratum, sum(n)::BIGINT AS n
  FROM (
    SELECT substance, wave, state, days_28, n,
      unnest(['all', 'sex', 'age_group', 'pathway', 'co_occurring_disorder']) AS stratum_by,
      unnest(['all', sex, age_group, pathway, co_occurring_disorder]) AS stratum
    FROM cells
  ) GROUP BY ALL
), placed AS (
  SELECT *, sum(n) OVER (PARTITION BY substance, wave, stratum_by, stratum ORDER BY days_28) AS below,
    sum(n) OVER (PARTITION BY substance, wave, stratum_by, stratum) AS observed
  FROM rolled WHERE days_28 IS NOT NULL
), medians AS (
  SELECT substance, wave, stratum_by, stratum,
    (min(days_28) FILTER (2 * below >= observed) + min(days_28) FILTER (2 * below > observed)) / 2
      AS median_days
  FROM placed GROUP BY ALL
), numbers AS (
  SELECT substance, stratum_by, stratum, wave,
    sum(if(state NOT IN ('dead', 'withdrawn', 'moved', 'not_due'), n, 0))::BIGINT AS n_expected,
    sum(if(days_28 IS NOT NULL, n, 0))::BIGINT AS n_observed,
    sum(n * days_28) AS total,
    sum(if(state = 'abstinent', n, 0))::BIGINT AS n_abstinent,
    sum(if(state = 'episodic', n, 0))::BIGINT AS n_episodic,
    sum(if(state = 'regular', n, 0))::BIGINT AS n_regular
  FROM rolled GROUP BY ALL
)
SELECT 'lar_x' AS cohort, substance, stratum_by, stratum, wave, n_expected, n_observed,
  n_expected - n_observed AS n_missing,
  total / nullif(n_observed, 0) AS mean_days, median_days,
  n_abstinent, n_episodic, n_regular,
  n_abstinent / nullif(n_observed, 0) AS abstinent,
  n_episodic / nullif(n_observed, 0) AS episodic,
  n_regular / nullif(n_observed, 0) AS regular,
  (n_episodic + n_regular) / nullif(n_observed, 0) AS any_use
FROM numbers LEFT JOIN medians USING (substance, stratum_by, stratum, wave);
