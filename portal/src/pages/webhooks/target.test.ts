import { expect, test } from 'vitest'
import { asSent, isAddress } from './target'

test.each([['https://example.com/hook', true], ['http://127.0.0.1:9', true], ['ftp://example.com', false], ['javascript:alert(1)', false], ['example.com', false], ['', false]])('%s is an address: %s', (text, is) => expect(isAddress(text)).toBe(is))

const target = { address: 'https://example.com', skip_cert_verify: false }

test('a header that is empty is not sent, one that is kept is', () => {
  expect(asSent({ ...target, type: 'http', auth_header: '', payload_format: '' })).toEqual({ ...target, type: 'http', payload_format: 'Default' })
  expect(asSent({ ...target, type: 'http', auth_header: '********', payload_format: 'CloudEvents' })).toEqual({ ...target, type: 'http', auth_header: '********', payload_format: 'CloudEvents' })
})

test('Slack has no format', () => expect(asSent({ ...target, type: 'slack', payload_format: 'Default' })).toEqual({ ...target, type: 'slack' }))
