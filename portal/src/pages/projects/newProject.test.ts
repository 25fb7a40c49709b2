import { expect, test } from 'vitest'
import { asSent } from './newProject'

const fields = { name: 'team', visibility: 'private', limit: '', cache: false, registry: '3', speed: '512' }

test.each([
  ['nothing but a name', {}, { project_name: 'team', metadata: { public: 'false' } }],
  ['a limit', { limit: '1 KiB' }, { project_name: 'team', metadata: { public: 'false' }, storage_limit: 1024 }],
  ['a cache', { cache: true, visibility: 'public' }, { project_name: 'team', metadata: { public: 'true', proxy_speed_kb: '512' }, registry_id: 3 }],
  ['a cache as fast as it can', { cache: true, speed: '' }, { project_name: 'team', metadata: { public: 'false' }, registry_id: 3 }],
])('%s', (_, change, sent) => expect(asSent({ ...fields, ...change })).toEqual(sent))
