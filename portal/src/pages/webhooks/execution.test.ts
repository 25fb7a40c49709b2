import { expect, test } from 'vitest'
import { aboutOf } from './execution'
import type { Execution } from './queries'

const metrics = { task_count: 1, success_task_count: 0, error_task_count: 0, pending_task_count: 0, running_task_count: 0, scheduled_task_count: 0, stopped_task_count: 0 }
const execution = (extra_attrs: Execution['extra_attrs']): Execution => ({ id: 1, vendor_type: 'WEBHOOK', vendor_id: 1, status: 'Success', status_message: '', metrics, trigger: 'EVENT', extra_attrs, start_time: '' })

test.each([
  [{ event_type: 'PUSH_ARTIFACT', payload: '{"a":1}' }, { event: 'PUSH_ARTIFACT', payload: '{\n  "a": 1\n}' }],
  [{ event_type: 'TEST', payload: 'no JSON' }, { event: 'TEST', payload: 'no JSON' }],
  [{ payload: 7 }, { event: '', payload: '' }],
])('%o', (attrs, about) => expect(aboutOf(execution(attrs))).toEqual(about))
