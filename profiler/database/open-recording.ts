/** What recordings that were left open have taken in: their last event and the number of events. */
export const SEEN_OF_OPEN = `
  SELECT recording, max(last) AS last, sum(count)::BIGINT AS events FROM (
    SELECT recording, max(time + span) AS last, sum(count) AS count FROM event GROUP BY recording
    UNION ALL
    SELECT recording, max(last), sum(count) FROM hourly GROUP BY recording)
  WHERE recording IN (SELECT id FROM recording WHERE state = 'open') GROUP BY recording`;
