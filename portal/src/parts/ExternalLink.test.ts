import { expect, test } from 'vitest'
import { safeUrl } from './ExternalLink'

test.each(['https://example.org/a?b#c', 'http://example.org/'])('%s is followed', (url) => expect(safeUrl(url)).toBe(url))

test.each(['javascript:alert(1)', ' JaVaScRiPt:alert(1)', 'java\nscript:alert(1)', 'data:text/html,x', 'vbscript:x', '//example.org', '/c/log_out', 'x', '', undefined])(
  '%s is not', (url) => expect(safeUrl(url)).toBeUndefined(),
)
