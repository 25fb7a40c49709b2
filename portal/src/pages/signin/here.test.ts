import { expect, test } from 'vitest'
import { here } from './here'

test.each(['/projects', '/projects/a/repositories?page=2', '/users#x'])('after signing in one comes to %s', (to) => expect(here(to)).toBe(to))

test.each(['https://evil.example', '//evil.example', '/\\evil.example', '\\\\evil.example', 'javascript:alert(1)', '/a\\b', '/a\nb', '', 7, null, '/signin'])(
  'nobody is led to %s',
  (to) => expect(here(to)).toBeUndefined(),
)
