import { expect, test } from 'vitest'
import { byResource, columnsOf, granted, keyOf, presets } from './permissions'

const catalogue = [
  { resource: 'repository', action: 'pull' },
  { resource: 'repository', action: 'list' },
  { resource: 'log', action: 'list' },
  { resource: 'scan', action: 'brew' },
]

test('a catalogue is divided by resource', () => expect([...byResource(catalogue)]).toEqual([['repository', ['pull', 'list']], ['log', ['list']], ['scan', ['brew']]]))

test('columns are in the order that people expect, new ones last', () => expect(columnsOf(catalogue)).toEqual(['list', 'pull', 'brew']))

test('only what the catalogue has is granted', () => {
  expect(granted(new Set(['log:list', 'member:delete']), catalogue)).toEqual([{ resource: 'log', action: 'list' }])
  expect(granted(new Set(presets.pull), catalogue).map(keyOf)).toEqual(['repository:pull', 'repository:list'])
})
