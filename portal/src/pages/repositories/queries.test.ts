import { expect, test } from 'vitest'
import { plainDescription } from './queries'

test('a description is the text that somebody wrote', () => {
  expect(plainDescription('&lt;b&gt; &amp;amp; &#34;x&#34; &#39;y&#39; &copy;')).toBe('<b> &amp; "x" \'y\' &copy;')
})
