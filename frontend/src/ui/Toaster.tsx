import { CheckCircle2, CircleAlert, Info, TriangleAlert } from 'lucide-react';
import { Toast } from 'radix-ui';
import { useNotices, type NoticeKind } from '@/stores/notices';

const icons = { info: Info, good: CheckCircle2, warn: TriangleAlert, bad: CircleAlert };
const colours: Record<NoticeKind, string> = {
  info: 'text-accent',
  good: 'text-up',
  warn: 'text-warn',
  bad: 'text-down',
};

/** The corner where things are told that happened without being asked for, or went well. */
export function Toaster() {
  const { notices, dismiss } = useNotices();
  return (
    <Toast.Provider duration={6000} swipeDirection="right" label="Notification">
      {notices.map((notice) => {
        const Icon = icons[notice.kind];
        return (
          <Toast.Root
            key={notice.id}
            onOpenChange={(open) => {
              if (!open) dismiss(notice.id);
            }}
            className="flex items-start gap-2.5 rounded-lg border border-line bg-raised p-3 shadow-(--shadow)"
          >
            <Icon className={`mt-0.5 size-4 shrink-0 ${colours[notice.kind]}`} aria-hidden />
            <div className="min-w-0 flex-1">
              <Toast.Title className="font-medium">{notice.title}</Toast.Title>
              {notice.text !== undefined && <Toast.Description className="text-muted">{notice.text}</Toast.Description>}
            </div>
            <Toast.Close aria-label="Dismiss" className="text-muted hover:text-text">
              ×
            </Toast.Close>
          </Toast.Root>
        );
      })}
      <Toast.Viewport className="fixed right-3 bottom-16 z-60 flex w-[min(22rem,calc(100vw-1.5rem))] flex-col gap-2 outline-none lg:bottom-3" />
    </Toast.Provider>
  );
}
