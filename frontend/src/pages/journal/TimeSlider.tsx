import { ChevronFirst, ChevronLast, ChevronLeft, ChevronRight } from 'lucide-react';
import { useQuery } from '@tanstack/react-query';
import { Slider } from 'radix-ui';
import { useEffect, useState } from 'react';
import { entry as entryQuery } from '@/api/queries';
import { exactly, integer } from '@/lib/format';
import { sentence } from '@/lib/story';
import { IconButton } from '@/ui/Button';
import { Input } from '@/ui/Field';

/** How long a slider must rest before the state is asked for, in milliseconds. */
const REST = 120;

interface TimeSliderProps {
  at: number;
  head: number;
  onMove: (at: number) => void;
}

/** Any moment of the journal: by dragging, by the arrow keys, entry by entry, by number or by time. */
export function TimeSlider({ at, head, onMove }: TimeSliderProps) {
  const [held, setHeld] = useState<number | null>(null);
  const shown = held ?? at;
  const found = useQuery(entryQuery(at));
  useEffect(() => {
    if (held === null) return;
    const timer = setTimeout(() => {
      setHeld(null);
      if (held !== at) onMove(held);
    }, REST);
    return () => clearTimeout(timer);
  }, [held, at, onMove]);
  const step = (to: number) => onMove(Math.min(Math.max(to, 1), head));
  return (
    <section aria-label="Time slider" className="mb-3 rounded-lg border border-accent/50 bg-surface p-3">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <span className="inline-flex">
          <IconButton label="First entry" icon={<ChevronFirst />} disabled={at <= 1} onClick={() => step(1)} />
          <IconButton label="One entry back" icon={<ChevronLeft />} disabled={at <= 1} onClick={() => step(at - 1)} />
          <IconButton label="One entry on" icon={<ChevronRight />} disabled={at >= head} onClick={() => step(at + 1)} />
          <IconButton label="Last entry" icon={<ChevronLast />} disabled={at >= head} onClick={() => step(head)} />
        </span>
        <p className="min-w-0 flex-1 basis-60">
          <b className="num">Entry {integer(shown)}</b> <span className="text-muted">of {integer(head)}</span>
          {found.data && held === null && (
            <>
              <span className="num text-muted"> · {exactly(found.data.timestamp)}</span>
              <span className="block truncate text-soft">{sentence(found.data)}</span>
            </>
          )}
        </p>
        <Jump head={head} onMove={step} />
      </div>
      <Slider.Root
        className="relative mt-3 flex h-5 touch-none items-center select-none"
        min={1}
        max={Math.max(head, 2)}
        value={[shown]}
        onValueChange={([value]) => setHeld(value ?? at)}
      >
        <Slider.Track className="relative h-1.5 grow rounded-full bg-sunken">
          <Slider.Range className="absolute h-full rounded-full bg-accent" />
        </Slider.Track>
        <Slider.Thumb
          aria-label="Moment of the journal"
          aria-valuetext={`entry ${shown} of ${head}`}
          className="block size-4.5 rounded-full border-2 border-accent bg-surface shadow"
        />
      </Slider.Root>
    </section>
  );
}

/** To an entry by its number. */
function Jump({ head, onMove }: { head: number; onMove: (at: number) => void }) {
  const [text, setText] = useState('');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const number = Number(text);
        if (Number.isInteger(number) && number >= 1 && number <= head) onMove(number);
        setText('');
      }}
    >
      <Input
        aria-label="Go to entry"
        placeholder="Go to entry…"
        inputMode="numeric"
        className="w-32"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </form>
  );
}
