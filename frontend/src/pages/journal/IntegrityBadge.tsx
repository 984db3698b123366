import { useQuery } from '@tanstack/react-query';
import { ShieldAlert, ShieldCheck } from 'lucide-react';
import { integrity } from '@/api/queries';
import { integer } from '@/lib/format';
import { Badge } from '@/ui/Badge';

/** Whether the newest entries are whole: no number missing, every hash right, each linked to the one before. */
export function IntegrityBadge() {
  const { data, isPending, isError } = useQuery(integrity());
  if (isPending) return <Badge>Verifying…</Badge>;
  if (isError) return <Badge tone="warn">Not verified: no answer</Badge>;
  const range = `entries ${integer(data.first)} to ${integer(data.last)}`;
  return data.ok ? (
    <Badge tone="good" title={`Numbers, hashes and chain of ${range} are right. Head ${data.head_hash}`}>
      <ShieldCheck aria-hidden /> Verified, {range}
    </Badge>
  ) : (
    <Badge tone="bad" title={data.problem ?? undefined}>
      <ShieldAlert aria-hidden /> Damaged: {data.problem}
    </Badge>
  );
}
