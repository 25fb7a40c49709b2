import { expect, test } from 'vitest'
import { told } from './told'

test('what a job was told is read by the kind of each field', () => {
  const t = told('{"dry_run":true,"freed_space":12,"include_event_types":"a,b"}')
  expect([t.flag('dry_run'), t.number('freed_space'), t.text('include_event_types')]).toEqual([true, 12, 'a,b'])
  expect([t.flag('freed_space'), t.number('dry_run'), t.text('missing')]).toEqual([false, undefined, ''])
})

test.each([undefined, '', 'null', '[', '7'])('%s says nothing', (json) => expect(told(json).number('a')).toBeUndefined())
