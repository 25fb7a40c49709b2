import { expect, test } from './fixtures'

test('pages have a strict policy, and files are kept for ever', async ({ page }) => {
  const files: string[] = []
  page.on('response', (r) => {
    if (r.url().includes('/assets/')) files.push(r.headers()['cache-control'] ?? '')
  })
  const answer = await page.goto('/projects')
  const policy = answer?.headers()['content-security-policy'] ?? ''
  expect(policy).toContain("default-src 'none'; script-src 'self';")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toContain('unsafe')
  await page.waitForLoadState('networkidle')
  expect(files.length).toBeGreaterThan(3)
  expect(new Set(files)).toEqual(new Set(['public, max-age=31536000, immutable']))
})

test('a script that got into the page does not run', async ({ context }) => {
  const page = await context.newPage() // of whose console nobody minds
  await page.goto('/signin')
  const said = page.waitForEvent('console', (m) => m.text().includes('Content Security Policy'))
  await page.evaluate(() => {
    document.body.insertAdjacentHTML('beforeend', '<img src="/nowhere.svg" onerror="document.title = \'run\'">')
  })
  await said
  expect(await page.title()).not.toBe('run')
})
