import { useQuery } from '@tanstack/react-query';
import { config, strategies } from '@/api/queries';
import { PageTitle } from '@/ui/Card';
import { ErrorNote, Loading, Note } from '@/ui/States';
import { useMay } from '@/stores/session';
import { OperationForm } from './OperationForm';

export default function CreatePage() {
  const mayTrade = useMay('trader');
  return (
    <>
      <PageTitle title="New operation" hint="One strategy trading one asset" />
      {mayTrade ? (
        <CreateForm />
      ) : (
        <Note tone="warn" title="Your role only looks">
          Ask an admin for the role trader.
        </Note>
      )}
    </>
  );
}

/** The form once it is known what there is to choose from. */
export function CreateForm({ simple, onCreated }: { simple?: boolean; onCreated?: (id: string) => void }) {
  const known = useQuery(config());
  const found = useQuery(strategies());
  if (known.isPending || found.isPending) return <Loading rows={8} />;
  if (!known.data || !found.data) {
    return (
      <ErrorNote
        error={known.error ?? found.error}
        retry={() => void Promise.all([known.refetch(), found.refetch()])}
      />
    );
  }
  return (
    <OperationForm config={known.data} strategies={found.data.items} simple={simple ?? false} onCreated={onCreated} />
  );
}
