import { expect, test } from 'vitest'
import { asChange, asNew, asTrial, fieldsOf, filledFor, goodURL } from './fields'

const kept = {
  id: 7, name: 'quay', description: '', type: 'quay', url: 'https://quay.example.com', insecure: false, status: 'healthy',
  credential: { type: 'basic', access_key: 'me', access_secret: '*****' }, creation_time: '', update_time: '',
}

test('a secret is sent only where it was entered', () => {
  expect(asChange(fieldsOf(kept), kept)).not.toHaveProperty('access_secret')
  expect(asChange({ ...fieldsOf(kept), secret: 'new' }, kept)).toMatchObject({ access_key: 'me', access_secret: 'new' })
})

test('without an account there is no secret', () => {
  expect(asChange({ ...fieldsOf(kept), key: '' }, kept)).toMatchObject({ access_key: '', access_secret: '' })
  expect(asNew({ ...fieldsOf(), name: 'a', url: 'http://a' })).not.toHaveProperty('credential')
})

test('the secret that is kept is tried at the place alone that it is kept for', () => {
  expect(asTrial(fieldsOf(kept), kept)).toEqual({ id: 7, credential_type: 'basic', access_key: 'me' })
  expect(asTrial({ ...fieldsOf(kept), url: 'https://other.example.com' }, kept)).toMatchObject({ url: 'https://other.example.com', access_secret: '' })
  expect(asTrial({ ...fieldsOf(kept), insecure: true }, kept)).not.toHaveProperty('id')
})

test('a type fills in what it always has', () => {
  const key = { access_key_type: 'AccessKeyTypeFix', access_key_data: '_json_key', access_secret_type: 'AccessSecretTypeFile', access_secret_data: '' }
  const at = { endpoint_type: 'EndpointPatternTypeList', endpoints: [{ key: 'gcr.io', value: 'https://gcr.io' }] }
  expect(filledFor('google-gcr', { endpoint_pattern: at, credential_pattern: key })).toEqual({ type: 'google-gcr', url: 'https://gcr.io', key: '_json_key' })
  expect(filledFor('quay', undefined)).toEqual({ type: 'quay', url: '', key: '' })
})

test.each([['https://a', true], ['http://127.0.0.1:8080/x', true], ['a', false], ['ftp://a', false], ['https://', false]])('%s is a URL: %s', (url, is) => expect(goodURL(url)).toBe(is))
