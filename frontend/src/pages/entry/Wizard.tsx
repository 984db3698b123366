import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Check } from 'lucide-react';
import { useState } from 'react';
import { config, health } from '@/api/queries';
import { cn } from '@/lib/cn';
import { useUi } from '@/stores/ui';
import { AccountBadge } from '@/ui/Badge';
import { Button } from '@/ui/Button';
import { Card, Facts } from '@/ui/Card';
import { ErrorNote, Loading, Note } from '@/ui/States';
import { CreateForm } from '../create/CreatePage';
import { PasswordForm } from './PasswordForm';

const STEPS = ['Your password', 'Where orders go', 'First operation'] as const;

interface WizardProps {
  passwordIsFresh: boolean;
  hasOperations: boolean;
}

/** The first start, in three steps that need no reading. */
export default function Wizard({ passwordIsFresh, hasOperations }: WizardProps) {
  const [step, setStep] = useState(passwordIsFresh ? 0 : 1);
  const navigate = useNavigate();
  const client = useQueryClient();
  const leave = (to?: string) => {
    useUi.setState({ inWizard: false, wizardSkipped: true });
    if (to) void navigate({ to: '/operations/$id', params: { id: to } });
    else void navigate({ to: '/' });
  };
  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-6xl flex-col gap-4 p-4 sm:p-6">
      <header className="flex flex-wrap items-center gap-4">
        <img src="/favicon.svg" alt="" className="size-8" />
        <h1 className="text-lg font-semibold tracking-tight">Welcome</h1>
        <ol className="flex flex-wrap items-center gap-x-4 gap-y-1">
          {STEPS.map((name, index) => (
            <li
              key={name}
              aria-current={index === step ? 'step' : undefined}
              className={cn('flex items-center gap-1.5', index === step ? 'font-semibold' : 'text-muted')}
            >
              <span
                className={cn(
                  'flex size-5 items-center justify-center rounded-full text-2xs font-semibold',
                  index < step ? 'bg-up-soft text-up' : index === step ? 'bg-accent text-on-accent' : 'bg-sunken',
                )}
              >
                {index < step ? <Check className="size-3" aria-label="done" /> : index + 1}
              </span>
              {name}
            </li>
          ))}
        </ol>
        <Button kind="quiet" className="ml-auto" onClick={() => leave()}>
          Skip
        </Button>
      </header>
      {step === 0 && (
        <Card title="Choose a password of your own" className="w-full max-w-md">
          <PasswordForm
            onBegin={() => useUi.setState({ inWizard: true })}
            onDone={() => {
              setStep(1);
              void client.invalidateQueries();
            }}
          />
        </Card>
      )}
      {step === 1 && (
        <BrokerStep
          onNext={() => {
            if (hasOperations) leave();
            else setStep(2);
          }}
        />
      )}
      {step === 2 && <CreateForm simple onCreated={leave} />}
    </main>
  );
}

function BrokerStep({ onNext }: { onNext: () => void }) {
  const known = useQuery(config());
  const found = useQuery(health());
  if (known.isPending) return <Loading />;
  if (!known.data) return <ErrorNote error={known.error} retry={() => void known.refetch()} />;
  const paper = known.data.account_type === 'PAPER';
  return (
    <Card
      title={
        <span className="flex items-center gap-2">
          Orders go to {known.data.broker} <AccountBadge type={known.data.account_type} />
        </span>
      }
      className="w-full max-w-xl"
    >
      <div className="flex flex-col gap-4">
        <p>
          {paper
            ? 'A paper account: real matching, no real money. Nothing you do here can cost anything.'
            : 'A live account: orders cost real money from the first one on.'}
        </p>
        <Facts
          rows={[
            ['Instruments', known.data.instruments.length],
            ['Strategies', known.data.strategies.length],
            ['Engine', found.data === undefined ? '…' : found.data.trading ? 'trading' : 'not there yet'],
          ]}
        />
        {found.data?.trading === false && (
          <Note tone="warn">No engine is there yet. What you ask for is kept until it is.</Note>
        )}
        <p className="text-muted">Another broker is set in config.yaml, or under Settings, Brokers.</p>
        <Button kind="primary" size="lg" className="self-start" onClick={onNext}>
          Go on
        </Button>
      </div>
    </Card>
  );
}
