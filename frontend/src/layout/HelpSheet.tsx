import { Key } from '@/ui/Menu';
import { Dialog } from '@/ui/Dialog';
import { useUi } from '@/stores/ui';
import { SHORTCUTS } from './nav';

export function HelpSheet() {
  const { helpOpen, open } = useUi();
  return (
    <Dialog
      open={helpOpen}
      onOpenChange={(value) => open('help', value)}
      title="Keyboard"
      description="Keys that work everywhere"
    >
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-5 gap-y-2">
        {SHORTCUTS.map(({ keys, does }) => (
          <div key={keys} className="contents">
            <dt className="flex gap-1">
              {keys.split(' ').map((key) => (
                <Key key={key}>{key}</Key>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
