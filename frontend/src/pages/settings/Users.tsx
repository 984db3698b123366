import { useQuery, useQueryClient } from '@tanstack/react-query';
import { KeyRound, LogOut, Trash2, UserCheck, UserPlus, UserX, MoreHorizontal } from 'lucide-react';
import { useState } from 'react';
import { users } from '@/api/queries';
import type { Role, User } from '@/api/types';
import { addUser, changeUser, removeUser } from '@/api/users';
import { exactly, moment } from '@/lib/format';
import { notify } from '@/stores/notices';
import { useSession } from '@/stores/session';
import { Badge } from '@/ui/Badge';
import { Button, IconButton } from '@/ui/Button';
import { DataTable, type Column } from '@/ui/DataTable';
import { Dialog } from '@/ui/Dialog';
import { Field, Input, Select } from '@/ui/Field';
import { Menu } from '@/ui/Menu';
import { Empty, ErrorNote } from '@/ui/States';
import { PasswordForm } from '../entry/PasswordForm';

const ROLES: readonly { value: Role; label: string }[] = [
  { value: 'viewer', label: 'viewer: sees everything' },
  { value: 'trader', label: 'trader: also gives commands' },
  { value: 'admin', label: 'admin: also manages users, brokers, limits' },
];

type Asked = { kind: 'add' } | { kind: 'password' | 'role' | 'remove'; user: User };

export function Users() {
  const found = useQuery(users());
  const client = useQueryClient();
  const me = useSession((session) => session.user);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [error, setError] = useState<unknown>(null);
  const again = () => client.invalidateQueries({ queryKey: ['users'] });
  const at = async (work: Promise<unknown>, done: string) => {
    setError(null);
    try {
      await work;
      notify('good', done);
    } catch (failure) {
      setError(failure);
    }
    await again();
  };
  const columns: Column<User>[] = [
    {
      id: 'name',
      header: 'Name',
      cell: (user) => (
        <b className="font-medium">
          {user.name}
          {user.name === me ? ' (you)' : ''}
        </b>
      ),
    },
    { id: 'role', header: 'Role', cell: (user) => user.role },
    {
      id: 'state',
      header: 'Log-in',
      cell: (user) => <Badge tone={user.disabled ? 'warn' : 'good'}>{user.disabled ? 'Disabled' : 'Allowed'}</Badge>,
    },
    {
      id: 'updated',
      header: 'Changed',
      from: 'sm',
      cell: (user) => (
        <time title={exactly(user.updated_at)} className="text-muted">
          {moment(user.updated_at)}
        </time>
      ),
    },
    {
      id: 'act',
      header: <span className="sr-only">Actions</span>,
      align: 'right',
      cell: (user) => (
        <Menu
          trigger={<IconButton size="sm" label={`More on ${user.name}`} icon={<MoreHorizontal />} />}
          items={[
            { label: 'New password', icon: <KeyRound />, onSelect: () => setAsked({ kind: 'password', user }) },
            {
              label: 'Change role',
              icon: <UserCheck />,
              onSelect: () => setAsked({ kind: 'role', user }),
              disabled: user.name === me,
            },
            {
              label: user.disabled ? 'Allow log-in' : 'Disable log-in',
              icon: <UserX />,
              disabled: user.name === me,
              onSelect: () =>
                void at(
                  changeUser(user.name, { disabled: !user.disabled }),
                  `${user.name} is ${user.disabled ? 'allowed' : 'disabled'}`,
                ),
            },
            {
              label: 'End all log-ins',
              icon: <LogOut />,
              onSelect: () => void at(changeUser(user.name, { revoke: true }), `${user.name} is logged out everywhere`),
            },
            {
              label: 'Remove',
              icon: <Trash2 />,
              danger: true,
              disabled: user.name === me,
              onSelect: () => setAsked({ kind: 'remove', user }),
            },
          ]}
        />
      ),
    },
  ];
  const close = () => {
    setAsked(null);
    void again();
  };
  return (
    <>
      <div className="flex items-center gap-2 border-b border-line p-3">
        <Button kind="primary" icon={<UserPlus />} onClick={() => setAsked({ kind: 'add' })}>
          Add a user
        </Button>
      </div>
      <ErrorNote error={error ?? found.error} className="m-3" />
      <DataTable
        label="Users"
        columns={columns}
        rows={found.data?.items ?? []}
        rowId={(user) => user.name}
        loading={found.isPending}
        height={null}
        empty={<Empty title="No user" />}
      />
      {asked?.kind === 'password' && asked.user.name === me ? (
        <Dialog open onOpenChange={close} title="Your new password" description="Your other log-ins end with it.">
          <PasswordForm onDone={close} />
        </Dialog>
      ) : (
        asked && <UserDialog asked={asked} onClose={close} />
      )}
    </>
  );
}

function UserDialog({ asked, onClose }: { asked: Asked; onClose: () => void }) {
  const user = asked.kind === 'add' ? null : asked.user;
  const [name, setName] = useState(user?.name ?? '');
  const [role, setRole] = useState<Role>(user?.role ?? 'viewer');
  const [password, setPassword] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const titles = {
    add: 'Add a user',
    password: `New password for ${name}`,
    role: `Role of ${name}`,
    remove: `Remove ${name}`,
  };
  const actions = { add: 'Add', password: 'Set it', role: 'Change role', remove: 'Remove' };
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      if (asked.kind === 'add') await addUser({ name, role, password });
      else if (asked.kind === 'password') await changeUser(name, { password });
      else if (asked.kind === 'role') await changeUser(name, { role });
      else await removeUser(name);
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      title={titles[asked.kind]}
      description={
        asked.kind === 'remove'
          ? 'Every log-in ends. What the user did stays in the journal.'
          : 'Log-ins of before end with a change.'
      }
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind={asked.kind === 'remove' ? 'danger' : 'primary'} type="submit" form="user" busy={busy}>
            {actions[asked.kind]}
          </Button>
        </>
      }
    >
      <form
        id="user"
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        {asked.kind === 'add' && (
          <Field label="Name" hint="a-z, 0-9, dot, dash, underscore">
            {(field) => (
              <Input
                {...field}
                required
                autoComplete="off"
                value={name}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
        )}
        {(asked.kind === 'add' || asked.kind === 'role') && (
          <Field label="Role">
            {(field) => (
              <Select {...field} value={role} onChange={(event) => setRole(event.target.value as Role)}>
                {ROLES.map((each) => (
                  <option key={each.value} value={each.value}>
                    {each.label}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        )}
        {(asked.kind === 'add' || asked.kind === 'password') && (
          <Field label="Password" hint="12 characters or more">
            {(field) => (
              <Input
                {...field}
                type="password"
                required
                minLength={12}
                autoComplete="new-password"
                value={password}
                onChange={(event) => setPassword(event.target.value)}
              />
            )}
          </Field>
        )}
        <ErrorNote error={error} />
      </form>
    </Dialog>
  );
}
