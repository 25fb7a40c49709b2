import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, type Page, test } from '@playwright/test'
import { admin, Berth } from './berth'

// "make speed": how long each page takes until it can be used, with 10,000 of
// whatever is listed and 100,000 artifacts. It says so and judges nothing, since
// machines differ.
const paths = [
  '/projects', '/projects/p', '/projects/p/repositories', '/projects/p/repositories/r1', '/projects/p/repositories/r7', '/projects/p/repositories/r1/artifacts/t3',
  '/projects/p/members', '/projects/p/labels', '/projects/p/scanner', '/projects/p/policy', '/projects/p/policy/immutability', '/projects/p/policy/trust',
  '/projects/p/robots', '/projects/p/webhooks', '/projects/p/logs', '/projects/p/configuration',
  '/overview', '/search?q=r77', '/users', '/groups', '/robots', '/registries', '/replications', '/labels', '/quotas', '/audit-log', '/security', '/interrogation',
  '/interrogation/scan-all', '/clean-up', '/job-service', '/job-service/schedules', '/settings', '/profile', '/about',
]
const rounds = 5

// Milliseconds from the wish to see a page to its having a heading and all that
// it asked the server for.
async function load(page: Page, path: string): Promise<number> {
  await page.goto('about:blank')
  const began = performance.now()
  await page.goto(path, { waitUntil: 'commit' })
  await page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('[aria-busy="true"], .mantine-Skeleton-root'))
  return performance.now() - began
}

// The same for somebody who has the portal open: until the page, all of it there,
// has not changed for a while.
async function move(page: Page, path: string): Promise<number> {
  return page.evaluate(async (to) => {
    const began = performance.now()
    let changed = began
    const observer = new MutationObserver(() => (changed = performance.now()))
    observer.observe(document.body, { childList: true, subtree: true, attributes: true, characterData: true })
    history.pushState({}, '', to)
    const still = () => changed > began && performance.now() - changed > 150 && !document.querySelector('[aria-busy="true"], .mantine-Skeleton-root')
    while (!still()) await new Promise((later) => setTimeout(later, 10))
    observer.disconnect()
    return changed - began
  }, path)
}

test('pages are soon there', async ({ browser }) => {
  test.setTimeout(600_000)
  const work = mkdtempSync(join(tmpdir(), 'berth-stock-'))
  copyFileSync(process.env['BERTH_TEST_STOCK'] ?? '', join(work, 'berth.db')) // which a server makes its own
  const berth = await Berth.start({ BERTH_DATABASE: `sqlite://${work}/berth.db` })
  try {
    const context = await browser.newContext({ baseURL: berth.url, viewport: { width: 1280, height: 800 }, locale: 'en-GB' })
    const page = await context.newPage()
    const answer = await page.request.post('/c/login', { form: { principal: admin.name, password: admin.password } })
    expect(answer.ok()).toBe(true)
    await page.goto('/about')
    for (const [how, go] of [['moved to', move], ['loaded', load]] as const) {
      const times = new Map<string, number[]>()
      for (let round = 0; round < rounds; round++) {
        for (const path of paths) await test.step(path, async () => times.set(path, [...(times.get(path) ?? []), await go(page, path)]))
      }
      for (const [path, all] of times) {
        const inOrder = all.toSorted((a, b) => a - b)
        console.log(`${how.padEnd(9)} ${path.padEnd(48)} median ${Math.round(inOrder[rounds >> 1]!)} ms, longest ${Math.round(inOrder.at(-1)!)} ms`)
      }
    }
  } finally {
    await berth.stop()
    rmSync(work, { recursive: true })
  }
})
