import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import { activeOperations, users } from '@/api/queries';
import { Shell } from '@/layout/Shell';
import { useMay, useSession } from '@/stores/session';
import { useUi } from '@/stores/ui';
import { Loading } from '@/ui/States';

const Wizard = lazy(() => import('./Wizard'));

/** The page, or the first start: an admin whose password is still the printed one. */
export function Entrance() {
  const isAdmin = useMay('admin');
  const user = useSession((session) => session.user);
  const skipped = useUi((ui) => ui.wizardSkipped);
  const inWizard = useUi((ui) => ui.inWizard);
  const known = useQuery({ ...users(), enabled: isAdmin && !skipped });
  const operations = useQuery({ ...activeOperations(), enabled: isAdmin && !skipped });
  if (!isAdmin || skipped) return <Shell />;
  if (known.isPending || operations.isPending) return <Loading rows={8} />;
  const me = known.data?.items.find(({ name }) => name === user);
  const fresh = me !== undefined && me.created_at === me.updated_at;
  if (!inWizard && !fresh) return <Shell />;
  return (
    <Suspense fallback={<Loading rows={8} />}>
      <Wizard passwordIsFresh={fresh} hasOperations={(operations.data?.items.length ?? 0) > 0} />
    </Suspense>
  );
}
