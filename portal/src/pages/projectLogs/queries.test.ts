import { expect, test } from 'vitest'
import { conditions } from './queries'

const q = (text: string, filters: Record<string, string>) => conditions({ q: text, filter: (name) => filters[name] ?? '' })

test('filters become conditions, and days count whole', () => {
  expect(decodeURIComponent(q('app', { user: 'ali', operation: 'pull', type: 'artifact', result: 'false', from: '2026-05-01', to: '2026-05-02' }) ?? '')).toBe(
    'resource=~app,username=~ali,operation=pull,resource_type=artifact,operation_result=false,op_time=[2026-05-01 00:00:00~2026-05-02 23:59:59]',
  )
})

test('without any, all are shown', () => expect(q('', {})).toBeUndefined())
