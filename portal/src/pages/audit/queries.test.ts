import { expect, test } from 'vitest'
import { conditions } from './queries'

const q = (text: string, filters: Record<string, string>) => conditions({ q: text, filter: (name) => filters[name] ?? '' })

test('filters become conditions', () => {
  expect(decodeURIComponent(q('app', { user: 'ali', operation: 'pull', type: 'artifact', result: 'false' }) ?? '')).toBe(
    'resource=~app,username=~ali,operation=pull,resource_type=artifact,operation_result=false',
  )
})

test('days count whole', () => {
  const [from = '', to = ''] = decodeURIComponent(q('', { from: '2026-05-01', to: '2026-05-02' }) ?? '').match(/\d{4}-[^~\]]+/g) ?? []
  expect(Date.parse(`${to}Z`) - Date.parse(`${from}Z`)).toBe((2 * 86_400 - 1) * 1000)
})

test('without any, all are shown', () => expect(q('', {})).toBeUndefined())
