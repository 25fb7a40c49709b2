import { expect, test } from 'vitest'
import { scheduleOf } from '~/parts/cron'
import { cronFault, type Fields, fieldsOf, renamed, ruleOf } from './fields'
import type { Rule } from './queries'

const filled: Fields = {
  ...fieldsOf(), name: ' nightly ', registry: '3', repositories: 'library/**', tags: 'v*', tagsBut: true, labels: ['good'], resource: 'image', trigger: 'scheduled',
  schedule: scheduleOf('0 30 2 * * *'), deletion: true, alone: true,
}

/** What the server makes of a rule that it was sent. */
function kept(f: Fields): Rule {
  const sent = ruleOf(f)
  const here = { id: 0, name: 'Local', description: '', type: 'harbor', url: '', insecure: false, status: 'healthy', creation_time: '', update_time: '' }
  return { ...sent, id: 1, src_registry: { ...here, ...sent.src_registry }, dest_registry: { ...here, ...sent.dest_registry }, creation_time: '', update_time: '' } as Rule // as the API documents it
}

test('a rule is sent as the API has it', () => {
  expect(ruleOf(filled)).toMatchObject({
    name: 'nightly', dest_registry: { id: 3 }, trigger: { type: 'scheduled', trigger_settings: { cron: '0 30 2 * * *' } }, deletion: false, single_active_replication: true,
    filters: [
      { type: 'name', value: 'library/**' }, { type: 'tag', value: 'v*', decoration: 'excludes' }, { type: 'label', value: ['good'], decoration: 'matches' }, { type: 'resource', value: 'image' },
    ],
  })
  expect(ruleOf(filled)).not.toHaveProperty('src_registry')
  expect(ruleOf({ ...filled, pull: true })).toMatchObject({ src_registry: { id: 3 } })
})

test('events bring deletion along, and no bound on executions', () => {
  expect(ruleOf({ ...filled, trigger: 'event_based' })).toMatchObject({ deletion: true, single_active_replication: false, trigger: { trigger_settings: { cron: '' } } })
})

test.each([{ pull: false }, { pull: true }])('a rule that is edited and left as it was is sent as it was: %o', ({ pull }) => {
  const rule = kept({ ...filled, pull })
  expect(ruleOf(fieldsOf(rule))).toEqual(ruleOf({ ...filled, pull }))
})

test('filters that have no field stay', () => {
  const others = [{ type: 'tag', value: '*-rc', decoration: 'excludes' }]
  expect(fieldsOf(kept({ ...filled, others })).others).toEqual(others)
})

test.each([['0 30 2 * * *', undefined], ['5 30 2 * * *', 'seconds'], ['0 * 2 * * *', 'minutes'], ['soon', undefined]])('of the cron %s is wrong: %s', (cron, fault) =>
  expect(cronFault({ type: 'Custom', cron })).toBe(fault))

test.each([
  ['', -1, 'a/b/c/img'], ['n', -1, 'n/img'], ['n', 0, 'n/a/b/c/img'], ['n', 1, 'n/b/c/img'], ['n', 2, 'n/c/img'], ['n', 3, 'n/img'], ['n', 4, undefined],
])('with the namespace "%s" in place of %i parts', (namespace, replace, name) => expect(renamed('a/b/c/img', namespace, replace)).toBe(name))
