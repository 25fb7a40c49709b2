import { expect, test } from 'vitest'
import { readBanner, writeBanner } from './bannerSetting'

test('a banner is read as it was written', () => {
  const said = { message: 'Down on Sunday', type: 'warning', from: '2026-01-02', to: '2026-01-03' } as const
  expect(readBanner(writeBanner(said))).toEqual(said)
})

test('a plain text is a message, and no message is no banner', () => {
  expect(readBanner('Hello')).toEqual({ message: 'Hello', type: 'info', from: '', to: '' })
  expect(readBanner('{"message":"a","type":"new","fromDate":"nonsense"}')).toEqual({ message: 'a', type: 'info', from: '', to: '' })
  expect(writeBanner({ message: '  ', type: 'info', from: '', to: '' })).toBe('')
})
