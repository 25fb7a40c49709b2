import { expect, test } from 'vitest'
import { plainCommand, readHistory, readLayers, shares } from './layers'

const steps = [{ created_by: 'ADD x /' }, { created_by: 'ENV a=b', empty_layer: true }, { created_by: 'RUN y' }]

test('each step that changed files has its layer', () => {
  expect(readHistory(steps, 2).map((s) => s.layer)).toEqual([0, undefined, 1])
})

test('where layers and steps do not agree, no step has one', () => {
  expect(readHistory(steps, 3).map((s) => s.layer)).toEqual([undefined, undefined, undefined])
})

test('what is not of the form is left out', () => {
  expect(readHistory('x', 0)).toEqual([])
  expect(readHistory([null, { created_by: {} }], 5).map((s) => s.command)).toEqual(['', ''])
  expect(readLayers([{ digest: 'd', size: 'much' }])).toEqual([{ digest: 'd', size: 0, mediaType: '', title: '' }])
})

test.each([
  ['/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'],
  ['/bin/sh -c apk add curl', 'RUN apk add curl'],
  ['|1 VERSION=2 /bin/sh -c make', 'RUN make'],
  ['COPY a b # buildkit', 'COPY a b # buildkit'],
])('%s was written as %s', (recorded, written) => expect(plainCommand(recorded)).toBe(written))

test('shares are of the whole', () => {
  expect(shares([1, 3])).toEqual([25, 75])
  expect(shares([0, 0])).toEqual([50, 50])
})
