import { useQueryClient } from '@tanstack/react-query';
import { resetKillSwitch, tripKillSwitch } from '@/api/commands';
import { useSystem } from '@/api/system';
import { useMay } from '@/stores/session';
import { useUi } from '@/stores/ui';
import { Confirm } from '@/ui/Confirm';

/** Stops all new risk at once, or lets it again. Open positions keep their stops and targets either way. */
export function KillSwitch() {
  const { killOpen, open } = useUi();
  const system = useSystem();
  const mayTrade = useMay('trader');
  const client = useQueryClient();
  if (!killOpen || !mayTrade) return null;
  const close = () => open('kill', false);
  const account = system.account ?? 'PAPER';
  const again = () => void client.invalidateQueries({ queryKey: ['system'] });
  const after = async <T,>(answer: Promise<T>): Promise<T> => {
    const result = await answer;
    again();
    return result;
  };
  if (system.killSwitch === null) {
    return (
      <Confirm
        title="Trip the kill switch"
        what="From now on no operation enters the market, whatever its strategy asks for, until the switch is reset. It survives restarts."
        facts={[
          ['New entries', 'refused, everywhere'],
          ['Open positions', 'kept, with their stops and targets'],
          ['Exits and protections', 'go on'],
        ]}
        account="PAPER"
        asset=""
        action="Trip it"
        done="Kill switch tripped: no new risk"
        danger
        reason="optional"
        run={(about) => after(tripKillSwitch(about))}
        onClose={close}
      />
    );
  }
  return (
    <Confirm
      title="Reset the kill switch"
      what="Operations may enter the market again. The day's losses so far are acknowledged by this: limits count from here on."
      facts={[
        ['Tripped by', system.killSwitch.actor || 'unknown'],
        ['Because', system.killSwitch.reason],
      ]}
      account={account}
      asset="RESET"
      action="Reset it"
      done="Kill switch reset: entries are allowed again"
      reason="required"
      reasonLabel="What was the cause, and why may it go on?"
      run={(about) => after(resetKillSwitch(about))}
      onClose={close}
    />
  );
}
