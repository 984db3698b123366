import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { alertEntries } from '@/api/queries';
import { alertOf, useAcknowledged, type Alert } from '@/live/alerts';
import { useLink } from '@/live/link';

/** Alerts, newest first: those of the journal's past, and those that came while the page was open. */
export function useAlerts(): { alerts: Alert[]; isOpen: (alert: Alert) => boolean; loading: boolean; error: unknown } {
  const past = useQuery(alertEntries());
  const tail = useLink((link) => link.tail);
  const { acknowledged, upTo } = useAcknowledged();
  const alerts = useMemo(() => {
    const entries = new Map([...(past.data?.items ?? []), ...tail].map((entry) => [entry.sequence_number, entry]));
    return [...entries.values()]
      .flatMap((entry) => alertOf(entry) ?? [])
      .sort((a, b) => b.sequence_number - a.sequence_number);
  }, [past.data, tail]);
  const seen = useMemo(() => new Set(acknowledged), [acknowledged]);
  return {
    alerts,
    isOpen: (alert) => alert.sequence_number > upTo && !seen.has(alert.sequence_number),
    loading: past.isPending,
    error: past.error,
  };
}

export function useUnacknowledged(): number {
  const { alerts, isOpen } = useAlerts();
  return alerts.filter(isOpen).length;
}
