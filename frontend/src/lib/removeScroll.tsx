import { useEffect, type ElementType, type ReactNode } from 'react';

/**
 * Stands in for `react-remove-scroll` under Radix: while mounted the page behind does not scroll. The package does it
 * with a <style> element, which our content security policy refuses; this does it with an attribute and the style sheet.
 */
export function RemoveScroll({ as: Wrapper = 'div', children }: { as?: ElementType; children?: ReactNode }) {
  useEffect(() => {
    const root = document.documentElement;
    const before = Number(root.dataset['scrollLocked'] ?? 0);
    root.dataset['scrollLocked'] = String(before + 1);
    return () => {
      const left = Number(root.dataset['scrollLocked'] ?? 1) - 1;
      if (left > 0) root.dataset['scrollLocked'] = String(left);
      else delete root.dataset['scrollLocked'];
    };
  }, []);
  return <Wrapper>{children}</Wrapper>;
}

export default RemoveScroll;
