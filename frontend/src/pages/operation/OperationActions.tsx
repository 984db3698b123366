import { CirclePause, CirclePlay, CircleX, MoreHorizontal, Hand } from 'lucide-react';
import { useState } from 'react';
import { closeOperation, closePosition, pauseOperation, resumeOperation } from '@/api/commands';
import type { Operation } from '@/api/types';
import { useMay } from '@/stores/session';
import { Button, IconButton } from '@/ui/Button';
import { Confirm, type ConfirmProps } from '@/ui/Confirm';
import { Menu, type MenuItem } from '@/ui/Menu';
import { ManualTrade } from './ManualTrade';
import { closingFacts } from './facts';

type Action = 'pause' | 'resume' | 'flatten' | 'close' | 'trade';

function confirmation(action: Exclude<Action, 'trade'>, operation: Operation): ConfirmProps {
  const about = { account: operation.account_type, asset: operation.asset, reason: 'optional' as const };
  const name = operation.symbol;
  switch (action) {
    case 'pause':
      return {
        ...about,
        title: `Pause ${name}`,
        what: 'The strategy no longer enters. An open position stays, with its stop and target, and is still exited.',
        facts: closingFacts(operation),
        action: 'Pause',
        done: `${name} is paused`,
        run: (why) => pauseOperation(operation.id, why),
      };
    case 'resume':
      return {
        ...about,
        title: `Resume ${name}`,
        what: `${operation.strategy_name} may enter the market again, ${operation.quantity} units at most each time.`,
        facts: closingFacts(operation),
        action: 'Resume',
        done: `${name} is active`,
        run: (why) => resumeOperation(operation.id, why),
      };
    case 'flatten':
      return {
        ...about,
        title: `Close the position in ${name}`,
        what: 'The position is closed at market, whatever the price is by then. The operation goes on afterwards.',
        facts: closingFacts(operation),
        action: 'Close position',
        done: `The position in ${name} is being closed`,
        danger: true,
        run: (why) => closePosition(operation.position_id ?? '', why),
      };
    case 'close':
      return {
        ...about,
        title: `End ${name}`,
        what: 'Its orders are cancelled, its position is closed at market, and the operation ends for good.',
        facts: closingFacts(operation),
        action: 'End operation',
        done: `${name} is being closed`,
        danger: true,
        run: (why) => closeOperation(operation.id, why),
      };
  }
}

/** What may be done with an operation as it is. Nothing for those who may only look. */
export function OperationActions({ operation, compact }: { operation: Operation; compact?: boolean }) {
  const mayTrade = useMay('trader');
  const [action, setAction] = useState<Action | null>(null);
  if (!mayTrade) return null;
  const { status } = operation;
  const over = status === 'closed' || status === 'closing';
  const isOpen = operation.position_id !== null && Number(operation.open_quantity) !== 0;
  const dialog =
    action === 'trade' ? (
      <ManualTrade operation={operation} onClose={() => setAction(null)} />
    ) : action !== null ? (
      <Confirm {...confirmation(action, operation)} onClose={() => setAction(null)} />
    ) : null;
  if (over && !isOpen) return null;

  const toggle: MenuItem | null = over
    ? null
    : status === 'active'
      ? { label: 'Pause', icon: <CirclePause />, onSelect: () => setAction('pause') }
      : { label: 'Resume', icon: <CirclePlay />, onSelect: () => setAction('resume') };
  const flatten: MenuItem = {
    label: 'Close position',
    icon: <CircleX />,
    onSelect: () => setAction('flatten'),
    disabled: !isOpen || operation.exit_intent !== null,
    danger: true,
  };
  const end: MenuItem = { label: 'End operation', icon: <CircleX />, onSelect: () => setAction('close'), danger: true };

  if (compact) {
    return (
      // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions -- keeps clicks from the row
      <span className="inline-flex" onClick={(event) => event.stopPropagation()}>
        {toggle && (
          <IconButton
            size="sm"
            label={`${status === 'active' ? 'Pause' : 'Resume'} ${operation.symbol}`}
            icon={toggle.icon}
            onClick={toggle.onSelect}
          />
        )}
        <Menu
          trigger={<IconButton size="sm" label={`More on ${operation.symbol}`} icon={<MoreHorizontal />} />}
          items={[flatten, ...(over ? [] : [end])]}
        />
        {dialog}
      </span>
    );
  }
  return (
    <>
      {toggle && (
        <Button icon={toggle.icon} onClick={toggle.onSelect}>
          {toggle.label}
        </Button>
      )}
      {!over && (
        <Button icon={<Hand />} onClick={() => setAction('trade')}>
          Trade
        </Button>
      )}
      {isOpen && (
        <Button kind="danger" icon={<CircleX />} onClick={flatten.onSelect} disabled={operation.exit_intent !== null}>
          Close position
        </Button>
      )}
      {!over && <Menu trigger={<IconButton label="More actions" icon={<MoreHorizontal />} />} items={[end]} />}
      {dialog}
    </>
  );
}
