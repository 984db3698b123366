import type { UseInfiniteQueryResult, InfiniteData } from '@tanstack/react-query';

/** What a DataTable needs of a list that comes in pages. */
export function moreOf<T>(found: UseInfiniteQueryResult<InfiniteData<T>>) {
  return {
    has: found.hasNextPage,
    loading: found.isFetchingNextPage,
    load: () => {
      if (found.hasNextPage && !found.isFetchingNextPage) void found.fetchNextPage();
    },
  };
}

/** The rows of all pages, in order. */
export const rowsOf = <T>(found: { data?: InfiniteData<{ items: T[] }> | undefined }): T[] =>
  found.data?.pages.flatMap((page) => page.items) ?? [];
