import { Anchor } from '@mantine/core'

/** An address of a page, of http or https; undefined: it is none that anybody should follow. */
export function safeUrl(text: string | undefined): string | undefined {
  try {
    const url = new URL(text ?? '')
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : undefined
  } catch {
    return undefined
  }
}

/** An address that came from outside: a link where it is one of a page, otherwise its text. */
export function ExternalLink({ url, children }: { url: string; children?: string }) {
  const safe = safeUrl(url)
  return safe ? <Anchor inherit href={safe} target="_blank" rel="noopener noreferrer nofollow" style={{ overflowWrap: 'anywhere' }}>{children ?? url}</Anchor> : <>{children ?? url}</>
}
