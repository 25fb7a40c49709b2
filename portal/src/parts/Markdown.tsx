import { Skeleton } from '@mantine/core'
import { lazy, Suspense } from 'react'

const Rendered = lazy(() => import('./MarkdownText'))

/**
 * Shows a text in Markdown that somebody else wrote: no HTML in it, no pictures,
 * and only links that lead to pages. level is that of the heading above it.
 */
export function Markdown({ text, level = 2 }: { text: string; level?: number }) {
  return <Suspense fallback={<Skeleton h={80} />}><Rendered text={text} level={level} /></Suspense>
}
